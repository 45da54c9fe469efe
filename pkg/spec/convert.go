// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/dhcp"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// VM is a virtual machine ready to be given a place: the configurations of its parts, each without what only its place
// decides.
type VM struct {
	Namespace, Name string
	Hostname        string
	Subdomain       string        // goes before the search domain that DHCP gives as domain; "" is none
	GracePeriod     time.Duration // from the request to power off until it is switched off
	VM              vm.Config     // without RunDir, QEMU, user, acceleration and NICs
	NICs            []NIC         // the first is on the pod network
}

// NIC is a network device of a virtual machine.
type NIC struct {
	Datapath datapath.Config // without NetNS, MTU and the tap's owner
	Device   vm.NIC          // without MTU and descriptors
	DHCP     dhcp.Config4    // without MACs, addresses, DNS, domains and MTU; its Common goes for DHCPv6 and RA as well
}

// Convert turns a machine into configurations. objects are where the Secrets are that it refers to; with nil they are not
// looked up, and what they hold is left out.
// Its error says everything that is wrong with the machine or not supported, a line each ([Error]).
func Convert(m *Machine, objects *Objects) (*VM, error) {
	c := conversion{machine: m, objects: objects, spec: &m.VMI.Spec, path: field.NewPath("spec"), metadata: field.NewPath("metadata")}
	o := m.origin
	if m.VM != nil {
		c.path, c.metadata = field.NewPath("spec", "template", "spec"), field.NewPath("spec", "template", "metadata")
	}
	if o.object == "" {
		o.object = "VirtualMachineInstance " + nameOf(m.VMI).String()
	}

	c.errs = m.unsupported(c.path)
	converted := c.convert()
	if len(c.errs) > 0 {
		return nil, join(o.errors(c.errs))
	}
	return converted, nil
}

// conversion is one run of Convert. Its methods note what is wrong in errs and go on with something harmless.
type conversion struct {
	machine        *Machine
	objects        *Objects
	spec           *kubevirt.VirtualMachineInstanceSpec
	path, metadata *field.Path     // of spec, and of the metadata that goes with it
	overlays       map[string]bool // volumes whose file is not written to, by name
	errs           field.ErrorList
}

func (c *conversion) fail(e *field.Error) { c.errs = append(c.errs, e) }

// maxDevices is how many volumes, and how many networks, KubeVirt's API takes.
const maxDevices = 256

func (c *conversion) tooMany(path *field.Path, n int) bool {
	if n > maxDevices {
		c.fail(field.TooMany(path, n, maxDevices))
	}
	return n > maxDevices
}

// failIf notes the problems that a function of apimachinery's validation has found in a value.
func (c *conversion) failIf(path *field.Path, value string, problems []string) {
	for _, p := range problems {
		c.fail(field.Invalid(path, value, p))
	}
}

func (c *conversion) convert() *VM {
	c.runStrategy()
	v := &VM{
		Namespace:   c.machine.VMI.Namespace,
		Name:        c.machine.VMI.Name,
		Hostname:    c.hostname(),
		Subdomain:   c.spec.Subdomain,
		GracePeriod: c.gracePeriod(),
		VM:          c.domain(),
	}
	if v.Subdomain != "" {
		c.failIf(c.path.Child("subdomain"), v.Subdomain, validation.IsDNS1123Subdomain(v.Subdomain))
	}
	c.annotations(&v.VM)
	if c.machine.Cluster {
		c.cluster()
	}
	c.storage(v)
	v.NICs = c.nics(v)
	c.bootOrder()
	return v
}

// runStrategy checks the strategy; that someone runs the machine is a request to start it, whatever it says.
func (c *conversion) runStrategy() {
	if c.machine.VM == nil {
		return
	}
	spec, path := &c.machine.VM.Spec, field.NewPath("spec", "runStrategy")
	if spec.RunStrategy == nil {
		return
	}
	if spec.Running != nil {
		c.fail(field.Invalid(path, *spec.RunStrategy, "excludes running: keep runStrategy"))
	}
	switch *spec.RunStrategy {
	case kubevirt.RunStrategyAlways, kubevirt.RunStrategyHalted, kubevirt.RunStrategyManual, kubevirt.RunStrategyOnce, kubevirt.RunStrategyRerunOnFailure:
	case kubevirt.RunStrategyWaitAsReceiver:
		c.fail(field.Forbidden(path, string(kubevirt.RunStrategyWaitAsReceiver)+" is "+notYet))
	default:
		c.fail(field.NotSupported(path, *spec.RunStrategy, []kubevirt.VirtualMachineRunStrategy{kubevirt.RunStrategyAlways,
			kubevirt.RunStrategyHalted, kubevirt.RunStrategyManual, kubevirt.RunStrategyOnce, kubevirt.RunStrategyRerunOnFailure}))
	}
}

func (c *conversion) gracePeriod() time.Duration {
	seconds := kubevirt.DefaultGracePeriodSeconds
	if given := c.spec.TerminationGracePeriodSeconds; given != nil {
		seconds = *given
	}
	const longest = 365 * 24 * 60 * 60
	if seconds < 0 || seconds > longest {
		c.fail(field.Invalid(c.path.Child("terminationGracePeriodSeconds"), seconds, "must be 0 to a year"))
	}
	return time.Duration(seconds) * time.Second
}
