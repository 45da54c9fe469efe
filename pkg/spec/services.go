// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/dhcp"
)

// ports converts the ports of the guest that are reachable from outside.
func (c *conversion) ports(ports []kubevirt.Port, path *field.Path) []datapath.Port {
	var converted []datapath.Port
	names := map[string]bool{}
	for i, port := range ports {
		at := path.Index(i)
		if port.Name != "" {
			c.failIf(at.Child("name"), port.Name, validation.IsValidPortName(port.Name))
			if names[port.Name] {
				c.fail(field.Duplicate(at.Child("name"), port.Name))
			}
			names[port.Name] = true
		}
		switch port.Protocol {
		case "":
			port.Protocol = "TCP"
		case "TCP", "UDP":
		default:
			c.fail(field.NotSupported(at.Child("protocol"), port.Protocol, []string{"TCP", "UDP"}))
		}
		for _, problem := range validation.IsValidPortNum(int(port.Port)) {
			c.fail(field.Invalid(at.Child("port"), port.Port, problem))
		}
		converted = append(converted, datapath.Port{Name: port.Name, Protocol: strings.ToLower(port.Protocol), Port: uint16(port.Port)})
	}
	return converted
}

// An option's length is one byte (RFC 2132 section 2); an IPv4 address takes four.
const (
	maxOption = 255
	maxNTP    = maxOption / 4
)

// The options that RFC 2132 leaves to sites, as far as KubeVirt does.
const firstPrivate, lastPrivate = 224, 254

func (c *conversion) dhcpOptions(config *dhcp.Config4, options *kubevirt.DHCPOptions, path *field.Path) {
	if options == nil {
		return
	}
	config.BootFileName = c.option(path.Child("bootFileName"), options.BootFileName)
	config.TFTPServerName = c.option(path.Child("tftpServerName"), options.TFTPServerName)

	ntp := path.Child("ntpServers")
	if len(options.NTPServers) > maxNTP {
		c.fail(field.TooMany(ntp, len(options.NTPServers), maxNTP))
	}
	for i, server := range options.NTPServers {
		address, err := netip.ParseAddr(server)
		if err != nil || !address.Is4() {
			c.fail(field.Invalid(ntp.Index(i), server, "must be an IPv4 address"))
		}
		config.NTP = append(config.NTP, address)
	}

	for i, option := range options.PrivateOptions {
		at := path.Child("privateOptions").Index(i)
		number := uint8(option.Option)
		if option.Option < firstPrivate || option.Option > lastPrivate {
			c.fail(field.Invalid(at.Child("option"), int64(option.Option), "must be 224 to 254"))
		} else if _, ok := config.Private[number]; ok {
			c.fail(field.Duplicate(at.Child("option"), int64(option.Option)))
		}
		if option.Value == "" {
			c.fail(field.Required(at.Child("value"), "an option has a value"))
		}
		if config.Private == nil {
			config.Private = map[uint8]string{}
		}
		config.Private[number] = c.option(at.Child("value"), option.Value)
	}
}

// option checks the text of a DHCP option.
func (c *conversion) option(path *field.Path, text string) string {
	if len(text) > maxOption {
		c.fail(field.TooLong(path, text, maxOption))
	}
	return text
}
