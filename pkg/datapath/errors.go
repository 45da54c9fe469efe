// SPDX-License-Identifier: Apache-2.0

package datapath

import "errors"

var (
	// ErrUnsupported marks what this kernel, or this version of Tapir, can't do; trying again won't help.
	ErrUnsupported = errors.New("not supported")
	// ErrInvalid marks a Config that contradicts itself or the pod.
	ErrInvalid = errors.New("invalid configuration")
	// ErrTapInUse marks a tap that another process holds open with other flags, or that isn't a tap.
	ErrTapInUse = errors.New("tap can't be used")
	// ErrNotRoot marks a caller without the rights that the datapath needs.
	ErrNotRoot = errors.New("must be root")
)
