// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"math/rand/v2"
	"net"

	"github.com/tapir-vm/tapir/pkg/datapath"
)

// number is an address as a number, so that a range can be counted in.
func number(mac net.HardwareAddr) (n uint64) {
	for _, b := range mac {
		n = n<<8 | uint64(b)
	}
	return n
}

func address(n uint64) net.HardwareAddr {
	mac := make(net.HardwareAddr, 6)
	for i := range mac {
		mac[5-i] = byte(n >> (8 * i))
	}
	return mac
}

// pick returns a random address of a range. The gateway's is no machine's; checkRange has seen to it that there are others.
func pick(first, last net.HardwareAddr) net.HardwareAddr {
	for {
		mac := address(number(first) + rand.Uint64N(number(last)-number(first)+1))
		if number(mac) != number(datapath.GatewayMAC) {
			return mac
		}
	}
}
