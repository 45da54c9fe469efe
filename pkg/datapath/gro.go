// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"

	"github.com/safchain/ethtool"
	"golang.org/x/sys/unix"
)

const featureGRO = "rx-gro" // NETIF_F_GRO, net/ethtool/common.c

// A veth polls its queue only for an XDP program or for GRO, and when it stops to, what is in the queue is lost
// (veth_napi_del in drivers/net/veth.c). So a pod NIC that gets the fast path gets GRO first, which XDP switches on of
// itself anyway, and keeps it until Detach: the fast path can then come and go under traffic.

// hasGRO reads a device in the calling thread's namespace.
func hasGRO(device string) (bool, error) {
	e, err := ethtool.NewEthtool()
	if err != nil {
		return false, fmt.Errorf("asking for the features of %s: %w", device, err)
	}
	defer e.Close()
	features, err := e.Features(device)
	if err != nil {
		return false, fmt.Errorf("asking for the features of %s: %w", device, err)
	}
	return features[featureGRO], nil
}

// setGRO switches it. That the device is gone is no error where it is switched off.
func setGRO(device string, on bool) error {
	e, err := ethtool.NewEthtool()
	if err == nil {
		defer e.Close()
		err = e.Change(device, map[string]bool{featureGRO: on})
	}
	if err != nil && !(errors.Is(err, unix.ENODEV) && !on) {
		return fmt.Errorf("switching %s of %s to %t: %w", featureGRO, device, on, err)
	}
	return nil
}
