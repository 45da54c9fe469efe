// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/internal/shuttle"
)

// What a test run can't have, devices do: frames in pieces, and checksums that are left to the device.

// devices are a guest's tap and another that stands for the pod NIC, with their programs, seen from their far ends.
type devices struct {
	objs        *masqueradeObjects
	guest, wire *os.File
	mac         net.HardwareAddr // of the pod NIC
}

const jumbo = 9000 // frames under a page are never in pieces

// newDevices makes them in the network namespace of the tests.
func newDevices(t *testing.T) devices {
	t.Helper()
	here, err := ns.GetCurrentNS()
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	open := func(name string) (*os.File, netlink.Link) {
		file, err := shuttle.Open(here, name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		l, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		return file, l
	}
	guest, tap := open("rigtap")
	wire, nic := open("rignic")
	write(t, "/proc/sys/net/ipv6/conf/rigtap/disable_ipv6", "1")
	write(t, "/proc/sys/net/ipv6/conf/rignic/accept_dad", "0")
	write(t, "/proc/sys/net/ipv6/conf/rignic/router_solicitations", "0")
	write(t, "/proc/sys/net/ipv6/conf/rignic/addr_gen_mode", "1")
	a := testAddresses(true, true)
	a.MTU = jumbo
	for _, l := range []netlink.Link{tap, nic} {
		if err := netlink.LinkSetMTU(l, jumbo); err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetUp(l); err != nil {
			t.Fatal(err)
		}
	}
	for _, hop := range []struct{ pod, gateway string }{{"10.244.1.7/24", "10.244.1.1"}, {"fd00:10:244::7/64", "fd00:10:244::1"}} {
		address, err := netlink.ParseAddr(hop.pod)
		if err != nil {
			t.Fatal(err)
		}
		address.Flags = unix.IFA_F_NODAD
		gateway := net.ParseIP(hop.gateway)
		for _, err := range []error{
			netlink.AddrAdd(nic, address),
			netlink.NeighSet(&netlink.Neigh{LinkIndex: nic.Attrs().Index, IP: gateway, HardwareAddr: nodeMAC, State: netlink.NUD_PERMANENT}),
			netlink.RouteAdd(&netlink.Route{LinkIndex: nic.Attrs().Index, Gw: gateway}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	spec, err := specialise(&constants{Addresses: a, NICIndex: nic.Attrs().Index, TapIndex: tap.Attrs().Index, NICMAC: nic.Attrs().HardwareAddr.String()}, DefaultFlows)
	if err != nil {
		t.Fatal(err)
	}
	objs := testLoadSpec(t, spec)
	if err := setSettings(&objs.masqueradeMaps, nil, guestMAC); err != nil {
		t.Fatal(err)
	}
	for program, at := range map[*ebpf.Program]netlink.Link{objs.TapirTapIn: tap, objs.TapirNicIn: nic} {
		attached, err := link.AttachTCX(link.TCXOptions{Program: program, Attach: ebpf.AttachTCXIngress, Interface: at.Attrs().Index})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { attached.Close() })
	}
	return devices{objs, guest, wire, nic.Attrs().HardwareAddr}
}

func write(t *testing.T, path, value string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

// virtioHeader is struct virtio_net_hdr_mrg_rxbuf of linux/virtio_net.h.
type virtioHeader struct {
	Flags, GSOType                               uint8
	HeaderLen, GSOSize, CsumStart, CsumOffset, _ uint16
}

const (
	virtioNeedsCsum  = 1
	virtioHeaderSize = 12
)

// send lets the far end of a tap send a frame.
func send(t *testing.T, tap *os.File, h virtioHeader, frame []byte) {
	t.Helper()
	raw, err := binary.Append(nil, binary.NativeEndian, h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tap.Write(append(raw, frame...)); err != nil {
		t.Fatal(err)
	}
}

// sendPartial lets the guest send a packet with no more than its pseudo-header summed up.
func (d devices) sendPartial(t *testing.T, in datagram) {
	t.Helper()
	frame := framed(t, guestMAC, GatewayMAC, in)
	v := lookAt(frame, atIP, in.ipv6(), false)
	src, dst := v.addresses()
	pseudo := onesSum(src, dst, binary.BigEndian.AppendUint16([]byte{0, v.proto}, uint16(len(frame)-v.l4)))
	at := v.checksumAt()
	binary.BigEndian.PutUint16(frame[at:], pseudo)
	send(t, d.guest, virtioHeader{Flags: virtioNeedsCsum, CsumStart: uint16(v.l4), CsumOffset: uint16(at - v.l4)}, frame)
}

// readFrame takes the next unicast frame from a tap, and completes its checksum as a device does.
func readFrame(t *testing.T, tap *os.File) []byte {
	t.Helper()
	if err := tap.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, virtioHeaderSize+jumbo+atIP)
	for {
		n, err := tap.Read(raw)
		if err != nil {
			t.Fatalf("no frame came: %v", err)
		}
		var h virtioHeader
		if _, err := binary.Decode(raw, binary.NativeEndian, &h); err != nil {
			t.Fatal(err)
		}
		frame := raw[virtioHeaderSize:n]
		if frame[0]&1 != 0 {
			continue // the kernel's own, to groups
		}
		if h.Flags&virtioNeedsCsum != 0 {
			sum := ^onesSum(frame[h.CsumStart:])
			binary.BigEndian.PutUint16(frame[h.CsumStart+h.CsumOffset:], sum)
		}
		return frame
	}
}

// However a frame lies in memory, its headers are found.
func TestPacketInPieces(t *testing.T) {
	d := newDevices(t)
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, with := range map[string]func(*datagram){
			"plain":      func(*datagram) {},
			"options":    func(d *datagram) { d.options = []layers.IPv4Option{timestamps, routerAlert} },
			"extensions": func(d *datagram) { d.extensions = []extension{hopByHop, destinationOpts, atomicFragment} },
		} {
			t.Run(name, func(t *testing.T) {
				for _, k := range []kind{tcpACK, udp, echo} {
					in := packet(k, f.guest, f.remote, 40000, 80)
					in.data = make([]byte, 6000)
					with(&in)
					frame, want := framed(t, guestMAC, GatewayMAC, in), framed(t, d.mac, nodeMAC, in.from(f.pod).hop())
					for linear := range uint16(128) {
						if linear > 0 && linear < atIP {
							continue // the kernel refuses it
						}
						send(t, d.guest, virtioHeader{HeaderLen: linear}, frame)
						if got := readFrame(t, d.wire); !bytes.Equal(got, want) {
							t.Fatalf("with %d bytes in one piece got\n%swant\n%s", linear, hex.Dump(got[:128]), hex.Dump(want[:128]))
						}
					}
				}
			})
		}
	})
}

// A checksum that the guest left to its device is right in the end, also where the port was changed.
func TestPacketPartialChecksum(t *testing.T) {
	d := newDevices(t)
	eachFamily(t, func(t *testing.T, f addressFamily) {
		for name, k := range map[string]kind{"TCP": tcpACK, "UDP": udp} {
			t.Run(name, func(t *testing.T) {
				in := packet(k, f.guest, f.remote, 40000, 80)
				d.sendPartial(t, in)
				if got, want := readFrame(t, d.wire), framed(t, d.mac, nodeMAC, in.from(f.pod).hop()); !bytes.Equal(got, want) {
					t.Errorf("got\n%swant\n%s", hex.Dump(got), hex.Dump(want))
				}

				// Also that of an ICMP error which quotes it.
				d.sendPartial(t, in.lives(1))
				reply := lookAt(readFrame(t, d.guest), atIP, in.ipv6(), false)
				if !reply.isError() || reply.src() != f.gateway {
					t.Fatalf("got\n%swant an ICMP error", hex.Dump(reply.frame))
				}
				if !reply.valid() {
					t.Errorf("ICMP error with a wrong checksum\n%s", hex.Dump(reply.frame))
				}

				taken := in.ports(41000, 80)
				if name == "TCP" {
					taken = taken.as(tcpSYN)
				}
				run(t, d.objs.TapirNicOut, framed(t, podMAC, nodeMAC, taken.from(f.pod)))
				d.sendPartial(t, taken)
				got := readFrame(t, d.wire)
				wire := taken.from(f.pod).hop().ports(int(sourcePort(got, taken)), 80)
				if want := framed(t, d.mac, nodeMAC, wire); !bytes.Equal(got, want) || wire.sport == taken.sport {
					t.Errorf("got\n%swant\n%s", hex.Dump(got), hex.Dump(want))
				}
			})
		}
	})
}

// A frame of a VLAN, whose tag the kernel has taken off by then, isn't for the pod.
func TestPacketOfVLAN(t *testing.T) {
	d := newDevices(t)
	eachFamily(t, func(t *testing.T, f addressFamily) {
		in := packet(udp, f.remote, f.pod, 50000, 53)
		tagged := insert(12, 0x81, 0, 0, 5)(framed(t, nodeMAC, d.mac, in.ports(50000, 54)))
		send(t, d.wire, virtioHeader{}, tagged)
		send(t, d.wire, virtioHeader{}, framed(t, nodeMAC, d.mac, in))
		if got, want := readFrame(t, d.guest), framed(t, GatewayMAC, guestMAC, in.to(f.guest).hop()); !bytes.Equal(got, want) {
			t.Errorf("the guest got\n%swant\n%s", hex.Dump(got), hex.Dump(want))
		}
	})
}
