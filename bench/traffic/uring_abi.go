// SPDX-License-Identifier: Apache-2.0

package traffic

// Numbers and structures of linux/io_uring.h, as far as a ring needs them.

const (
	opRead  = 22
	opWrite = 23

	setupNoMmap    = 1 << 14 // the rings are in memory of ours
	setupNoSQArray = 1 << 16 // submissions are taken in their order
)

type uringParams struct {
	_     [2]uint32
	flags uint32
	_     [7]uint32
	sq    struct {
		head, tail uint32
		_          [6]uint32
		address    uint64
	}
	cq struct {
		head, tail uint32
		_          [3]uint32
		entries    uint32 // the first one
		_          [2]uint32
		address    uint64
	}
}

type submission struct {
	op      uint8
	_       [3]uint8
	fd      int32
	_       uint64
	address uint64
	length  uint32
	flags   uint32 // RWF_*
	slot    uint64
	_       [3]uint64
}

type completion struct {
	slot   uint64
	result int32
	_      uint32
}
