// SPDX-License-Identifier: Apache-2.0

package datapath

//go:generate go tool bpf2go -target bpfel -go-package datapath -type side -type drop_reason -type event -type direction -type survey masquerade ../../bpf/masquerade.bpf.c -- -O2 -mcpu=v3 -Wall -Werror -I/usr/include/x86_64-linux-gnu
//go:generate go tool bpf2go -target bpfel -go-package datapath -no-global-types fastpath ../../bpf/fastpath.bpf.c -- -O2 -mcpu=v3 -Wall -Werror -I/usr/include/x86_64-linux-gnu
