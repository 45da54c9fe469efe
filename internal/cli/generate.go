// SPDX-License-Identifier: Apache-2.0

package cli

//go:generate go run ../tools/clidocs ../../docs/cli
