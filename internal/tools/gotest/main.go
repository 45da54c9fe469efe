// SPDX-License-Identifier: Apache-2.0

// Gotest reads the output of `go test -json`, prints a line for each package and what failing tests
// said, and exits with 1 when a test failed or was skipped: here, a test that can't run is a failure.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := report(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(1)
	}
}
