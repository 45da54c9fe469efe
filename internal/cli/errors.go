// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"os"
)

// needRoot refuses early what could only fail half-way.
func needRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces and BPF need root: try again with sudo")
	}
	return nil
}
