// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"

	nad "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kubevirt "kubevirt.io/api/core/v1"
)

const (
	maxBytes     = 2 << 20 // of one source; etcd takes 1.5 MiB of an object
	maxDocuments = 256
	// maxName is what fits a host name, a label's value and the path of a unix socket.
	maxName = validation.DNS1123LabelMaxLength
)

// Source is a stream of YAML documents.
type Source struct {
	io.Reader
	Name string // shown in errors: the file's name
	Dir  string // what relative paths in it are relative to
}

// Objects is what a set of manifests holds.
type Objects struct {
	Machines []*Machine // in the order in which they were read
	secrets  map[types.NamespacedName]*corev1.Secret
}

// NewObjects returns objects that hold Secrets, for a machine that comes from no manifest.
func NewObjects(secrets ...*corev1.Secret) *Objects {
	o := &Objects{secrets: map[types.NamespacedName]*corev1.Secret{}}
	for _, secret := range secrets {
		o.secrets[nameOf(secret)] = secret
	}
	return o
}

// NewMachine returns the machine of an object of a cluster. vm is the VirtualMachine whose template vmi is, nil for a
// VirtualMachineInstance by itself.
func NewMachine(vm *kubevirt.VirtualMachine, vmi *kubevirt.VirtualMachineInstance) *Machine {
	return &Machine{VM: vm, VMI: vmi, Cluster: true}
}

// Template returns the instance that a VirtualMachine describes, under its name; nil when it has no template.
func Template(vm *kubevirt.VirtualMachine) *kubevirt.VirtualMachineInstance {
	if vm.Spec.Template == nil {
		return nil
	}
	vmi := &kubevirt.VirtualMachineInstance{ObjectMeta: vm.Spec.Template.ObjectMeta, Spec: vm.Spec.Template.Spec}
	vmi.Namespace, vmi.Name = vm.Namespace, vm.Name
	return vmi
}

// Machine is a virtual machine as an object describes it.
type Machine struct {
	VM  *kubevirt.VirtualMachine         // whose template VMI is; nil for a VirtualMachineInstance
	VMI *kubevirt.VirtualMachineInstance // with name and namespace, also when it is a template
	// Cluster says that the machine runs in a pod, whose volumes lie where package handover says, and that it may have what
	// only a cluster has.
	Cluster bool
	// Dir is what relative paths are relative to. Paths on this host are for those who write files on it: without
	// a directory relative ones and direct kernel boot are refused.
	Dir    string
	origin origin
}

// Load reads objects, strictly. Its error says everything that is wrong with them, a line each ([Error]).
// That there is no machine among them is an error too.
func Load(sources ...Source) (*Objects, error) {
	l := loader{
		objects: NewObjects(),
		seen:    map[string]origin{},
	}
	for _, source := range sources {
		if err := l.source(source); err != nil {
			return nil, err
		}
	}
	if len(l.errs) == 0 && len(l.objects.Machines) == 0 {
		l.errs = []*Error{{Detail: "found no VirtualMachine or VirtualMachineInstance in what was given"}}
	}
	if len(l.errs) > 0 {
		return nil, join(l.errs)
	}
	return l.objects, nil
}

type loader struct {
	objects   *Objects
	documents int
	seen      map[string]origin // by kind, namespace and name
	errs      []*Error
}

// source reads one stream. It returns the errors that end the whole, and collects the others.
func (l *loader) source(s Source) error {
	stream, err := io.ReadAll(io.LimitReader(s, maxBytes+1))
	if err != nil {
		return fmt.Errorf("read manifests from %s: %w", s.Name, err)
	}
	if len(stream) > maxBytes {
		return &Error{File: s.Name, Detail: fmt.Sprintf("is larger than %d bytes: is it a manifest?", maxBytes)}
	}
	for _, d := range split(stream) {
		if l.documents++; l.documents > maxDocuments {
			return &Error{File: s.Name, Line: d.lines + 1, Detail: fmt.Sprintf("more than %d documents: run fewer at a time", maxDocuments)}
		}
		node, value, err := d.parse()
		switch {
		case err != nil:
			l.errs = append(l.errs, d.errors(s.Name, err)...)
		case value != nil:
			o := origin{file: s.Name, node: node}
			l.errs = append(l.errs, l.document(&o, s.Dir, value)...)
		}
	}
	return nil
}

// kinds are the objects that a manifest may hold, by apiVersion and kind.
var kinds = map[[2]string]reflect.Type{
	{"kubevirt.io/v1", "VirtualMachine"}:                  reflect.TypeFor[kubevirt.VirtualMachine](),
	{"kubevirt.io/v1", "VirtualMachineInstance"}:          reflect.TypeFor[kubevirt.VirtualMachineInstance](),
	{"k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition"}: reflect.TypeFor[nad.NetworkAttachmentDefinition](),
	{corev1.SchemeGroupVersion.String(), "Secret"}:        reflect.TypeFor[corev1.Secret](),
	{corev1.SchemeGroupVersion.String(), "ConfigMap"}:     reflect.TypeFor[corev1.ConfigMap](),
}

// document takes one document in, or says what is wrong with it.
func (l *loader) document(o *origin, dir string, value any) []*Error {
	content, ok := value.(map[string]any)
	if !ok {
		return []*Error{{File: o.file, Line: o.node.Line, Detail: "must be an object with apiVersion and kind"}}
	}
	version, _ := content["apiVersion"].(string)
	kind, _ := content["kind"].(string)
	t, ok := kinds[[2]string{version, kind}]
	if !ok {
		return o.errors(field.ErrorList{field.Forbidden(field.NewPath("kind"), fmt.Sprintf("%q of %q is not supported: want a VirtualMachine or "+
			"VirtualMachineInstance (kubevirt.io/v1), NetworkAttachmentDefinition (k8s.cni.cncf.io/v1), Secret or ConfigMap (v1)", kind, version))})
	}
	o.object = kind
	if errs := strict(nil, t, value); errs != nil {
		return o.errors(errs)
	}
	object := reflect.New(t).Interface().(metav1.Object)
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, object)
	}
	if err != nil {
		return []*Error{{File: o.file, Line: o.node.Line, Object: kind, Detail: err.Error()}}
	}

	if object.GetNamespace() == "" {
		object.SetNamespace(metav1.NamespaceDefault)
	}
	if errs := validateNames(object); errs != nil {
		return o.errors(errs)
	}
	o.object = fmt.Sprintf("%s %s/%s", kind, object.GetNamespace(), object.GetName())
	return o.errors(l.add(object, *o, dir))
}

func validateNames(object metav1.Object) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("metadata")
	for _, problem := range validation.IsDNS1123Label(object.GetNamespace()) {
		errs = append(errs, field.Invalid(path.Child("namespace"), object.GetNamespace(), problem))
	}
	name := object.GetName()
	if name == "" {
		return append(errs, field.Required(path.Child("name"), "a name is made up by a cluster only"))
	}
	for _, problem := range validation.IsDNS1123Subdomain(name) {
		errs = append(errs, field.Invalid(path.Child("name"), name, problem))
	}
	return errs
}

// add keeps what others refer to. Nothing that is supported refers to a ConfigMap or a network yet.
func (l *loader) add(object metav1.Object, o origin, dir string) field.ErrorList {
	machine := &Machine{Dir: dir, origin: o}
	key := o.object
	switch object := object.(type) {
	case *corev1.Secret:
		l.objects.secrets[nameOf(object)] = object
		machine = nil
	case *kubevirt.VirtualMachine:
		machine.VM, machine.VMI = object, Template(object)
		if machine.VMI == nil {
			return field.ErrorList{field.Required(field.NewPath("spec", "template"), "it describes the machine")}
		}
	case *kubevirt.VirtualMachineInstance:
		machine.VMI = object
	default:
		machine = nil
	}
	if machine != nil {
		if name := machine.VMI.Name; len(name) > maxName {
			return field.ErrorList{field.TooLong(field.NewPath("metadata", "name"), name, maxName)}
		}
		// A VirtualMachine's instance has its name.
		key = "machine " + nameOf(machine.VMI).String()
		l.objects.Machines = append(l.objects.Machines, machine)
	}
	if first, ok := l.seen[key]; ok {
		return field.ErrorList{field.Invalid(field.NewPath("metadata", "name"), object.GetName(),
			fmt.Sprintf("%s:%d has it already (%s)", first.file, first.node.Line, first.object))}
	}
	l.seen[key] = o
	return nil
}

func nameOf(object metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}
}
