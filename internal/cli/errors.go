// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
)

// needRoot refuses early what could only fail half-way.
func needRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces and BPF need root: try again with sudo")
	}
	return nil
}

// advise adds how to mend an error whose text says only what is wrong: those of libraries, which know nothing
// of the flags that brought them about.
func advise(err error) error {
	switch {
	case errors.As(err, &ns.NSPathNotExistErr{}), errors.As(err, &ns.NSPathNotNSErr{}):
		return fmt.Errorf("%w: want /run/netns/NAME (ip netns lists names) or /proc/PID/ns/net", err)
	case errors.As(err, &netlink.LinkNotFoundError{}):
		return fmt.Errorf("%w: ip -n NETNS link lists the devices there are", err)
	}
	return err
}
