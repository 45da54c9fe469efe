// SPDX-License-Identifier: Apache-2.0

package traffic

//go:generate go tool bpf2go -target bpfel -go-package traffic traffic ../../bpf/traffic.bpf.c -- -O2 -mcpu=v3 -Wall -Werror -I/usr/include/x86_64-linux-gnu
