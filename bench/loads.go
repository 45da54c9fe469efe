// SPDX-License-Identifier: Apache-2.0

package bench

const (
	normalMTU = 1500
	// roomyTable holds the flows of every load.
	roomyTable = 1 << 20
)

// Loads are all there are; quick ones are those of a quick run.
func Loads() (quick, full []Load) {
	for _, direction := range []string{in, out} {
		quick = append(quick,
			tcpStream{direction, 1, normalMTU},
			tcpStream{direction, 8, normalMTU},
			udpRate{direction, 1, 0})
	}
	quick = append(quick, tcpRR{}, tcpCRR{})
	full = quick
	for _, direction := range []string{in, out} {
		full = append(full,
			udpRate{direction, 1_000, 0},
			udpRate{direction, 100_000, 0},
			udpRate{direction, 100_000, roomyTable},
			udpRate{direction, 500_000, 0},
			udpRate{direction, 500_000, roomyTable})
		for _, mtu := range []int{576, 1280, 1400, 9000} {
			full = append(full, tcpStream{direction, 1, mtu})
		}
	}
	return quick, full
}
