// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/containernetworking/plugins/pkg/ns"
)

// A Pod is a network namespace with a way to the host. Without IPv6 on the host, its IPv6 addresses are invalid.
type Pod struct {
	Namespace string     `json:"namespace"`
	Name      string     `json:"name"`
	NetNS     string     `json:"netns"`   // path of the network namespace
	HostNIC   string     `json:"hostNIC"` // the host's end of the veth; the pod's is NIC
	Address4  netip.Addr `json:"address4"`
	Address6  netip.Addr `json:"address6"`
	Gateway4  netip.Addr `json:"gateway4"` // of HostNIC; the pod's name server listens there
	Gateway6  netip.Addr `json:"gateway6"`
	MTU       int        `json:"mtu"`
	Complete  bool       `json:"complete"` // false: being made, or left by a crash
}

// String is NAMESPACE/NAME.
func (p *Pod) String() string { return p.Namespace + "/" + p.Name }

// New makes a pod, or returns the one that is there. What a crash left of it is replaced. On an error nothing
// is left behind.
func New(ctx context.Context, cfg Config, log *slog.Logger) (*Pod, error) {
	pod, err := create(ctx, cfg, log)
	if err != nil {
		return nil, fmt.Errorf("make pod %q: %w", cfg.Namespace+"/"+cfg.Name, err)
	}
	return pod, nil
}

func create(ctx context.Context, cfg Config, log *slog.Logger) (*Pod, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	unlock, err := lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	pods, err := records()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(pods, func(p *Pod) bool { return p.Namespace == cfg.Namespace && p.Name == cfg.Name })
	if i >= 0 && pods[i].alive() {
		p := pods[i]
		if !cfg.Pool4.Contains(p.Address4) || p.Address6.IsValid() && !cfg.Pool6.Contains(p.Address6) {
			return nil, fmt.Errorf("it exists with addresses of other pools, %s and %s: stop it first", p.Address4, p.Address6)
		}
		return p, prepareHost(pods)
	}
	if i >= 0 {
		if err := pods[i].remove(); err != nil {
			return nil, fmt.Errorf("remove what is left of an earlier run: %w", err)
		}
		pods = slices.Delete(pods, i, i+1)
	}

	p, err := plan(cfg, pods)
	if err != nil {
		return nil, err
	}
	if err := p.build(append(pods, p)); err != nil {
		if undone := errors.Join(p.remove(), releaseHost(pods, log)); undone != nil {
			err = fmt.Errorf("%w; and then: %w", err, undone)
		}
		return nil, err
	}
	warnOfFirewall(log)
	return p, nil
}

// plan decides on everything that a pod's record holds.
func plan(cfg Config, pods []*Pod) (*Pod, error) {
	mtu, err := uplinkMTU()
	if err != nil {
		return nil, err
	}
	v4, v6, err := allocate(cfg, pods)
	if err != nil {
		return nil, err
	}
	p := &Pod{
		Namespace: cfg.Namespace,
		Name:      cfg.Name,
		NetNS:     netnsPath(cfg.Namespace, cfg.Name),
		HostNIC:   hostNIC(cfg.Namespace, cfg.Name),
		Address4:  v4,
		Gateway4:  gateway(cfg.Pool4),
		MTU:       mtu,
	}
	if err := p.checkNames(); err != nil {
		return nil, err
	}
	if err := checkPool(cfg.Pool4, pods); err != nil {
		return nil, err
	}
	if hostHasIPv6() {
		p.Address6, p.Gateway6 = v6, gateway(cfg.Pool6)
		return p, checkPool(cfg.Pool6, pods)
	}
	return p, nil
}

// checkNames refuses names that are taken. Tapir's own pods are on record, so these are somebody else's,
// and not to be deleted along with the pod.
func (p *Pod) checkNames() error {
	if _, err := os.Lstat(p.NetNS); err == nil {
		return fmt.Errorf("%s exists and is not on Tapir's record: if nobody needs it, `ip netns delete %s`",
			p.NetNS, filepath.Base(p.NetNS))
	}
	if _, err := netlinksafe.LinkByName(p.HostNIC); err == nil {
		return fmt.Errorf("device %s exists and is not on Tapir's record: if nobody needs it, `ip link delete %s`",
			p.HostNIC, p.HostNIC)
	}
	return nil
}

// build makes what the record says; pods includes the pod itself.
func (p *Pod) build(pods []*Pod) error {
	if err := writeJSON(p.file(), p); err != nil {
		return fmt.Errorf("record the pod: %w", err)
	}
	if err := makeNetNS(p.NetNS); err != nil {
		return err
	}
	// Before the veth comes up, so that nothing leaves untranslated.
	if err := prepareHost(pods); err != nil {
		return err
	}
	if err := p.connect(); err != nil {
		return err
	}
	p.Complete = true
	if err := writeJSON(p.file(), p); err != nil {
		return fmt.Errorf("record the pod: %w", err)
	}
	return nil
}

// alive says whether all of the pod was made and is still there.
func (p *Pod) alive() bool {
	if !p.Complete || ns.IsNSorErr(p.NetNS) != nil {
		return false
	}
	_, err := netlinksafe.LinkByName(p.HostNIC)
	return err == nil
}
