// SPDX-License-Identifier: Apache-2.0

// Package probe is a guest of 1 KiB that tells whether a processor runs kernels: see longmode.S.
package probe

import _ "embed"

//go:generate sh -c "clang --target=x86_64 -c -o longmode.o longmode.S && llvm-objcopy -O binary -j .text longmode.o longmode.bin && rm longmode.o"

// Passed is the exit code of a QEMU whose guest got through, with isa-debug-exit at port 0xf4.
const Passed = 2*0x2a + 1

//go:embed longmode.bin
var longmode []byte

// Firmware is an image for QEMU's -bios: 64 KiB, of which the last are code.
func Firmware() []byte {
	image := make([]byte, 64<<10)
	copy(image[len(image)-len(longmode):], longmode)
	return image
}
