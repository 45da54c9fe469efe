// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/tapir-vm/tapir/internal/kubetest"
)

func TestAdmission(t *testing.T) {
	c := startCluster(t)
	t.Run("machine", c.testMachine)
	t.Run("instance", c.testInstance)
	t.Run("invalid", c.testInvalid)
	t.Run("updates of instances", c.testInstanceUpdates)
	t.Run("addresses", c.testAddresses)
	t.Run("certificate", c.testCertificate)
	kubetest.CheckRights(t, c.log, "controller", "tapir-admission")
}

func machineFrom(t *testing.T, text string) *kubevirt.VirtualMachine {
	t.Helper()
	vm := &kubevirt.VirtualMachine{}
	if err := yaml.UnmarshalStrict([]byte(text), vm); err != nil {
		t.Fatal(err)
	}
	return vm
}

func instanceFrom(t *testing.T, text string) *kubevirt.VirtualMachineInstance {
	t.Helper()
	vmi := &kubevirt.VirtualMachineInstance{}
	if err := yaml.UnmarshalStrict([]byte(text), vmi); err != nil {
		t.Fatal(err)
	}
	return vmi
}

// What a VirtualMachine is given when it is made stays when its manifest, which doesn't say it, is applied again.
func (c *testCluster) testMachine(t *testing.T) {
	vm := machineFrom(t, `{metadata: {name: machine, namespace: default}, spec: {running: true, template: {metadata: {labels: {app: a}},
		spec: {domain: {memory: {guest: 1Gi}, devices: {}}}}}}`)
	if err := c.admin.Create(t.Context(), vm); err != nil {
		t.Fatal(err)
	}
	made := vm.Spec.Template.Spec
	switch {
	case made.Architecture != "amd64" || made.Domain.Machine.Type != "q35":
		t.Errorf("got architecture %q, machine %v", made.Architecture, made.Domain.Machine)
	case made.Domain.Firmware == nil || made.Domain.Firmware.UUID == "" || made.Domain.Firmware.Serial == "":
		t.Errorf("got firmware %v", made.Domain.Firmware)
	case len(made.Domain.Devices.Interfaces) != 1 || made.Domain.Devices.Interfaces[0].Masquerade == nil || made.Domain.Devices.Interfaces[0].MacAddress == "":
		t.Errorf("got interfaces %+v", made.Domain.Devices.Interfaces)
	}

	again := vm.DeepCopy()
	again.Spec.Template.Spec.Domain.Firmware = nil
	again.Spec.Template.Spec.Domain.Machine = nil
	again.Spec.Template.Spec.Domain.Devices.Interfaces[0].MacAddress = ""
	if err := c.admin.Update(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(made, again.Spec.Template.Spec); diff != "" {
		t.Errorf("after the manifest was applied again: -want +got:\n%s", diff)
	}

	again.Spec.Running = nil
	refused(t, c.admin.Update(t.Context(), again), "spec.runStrategy: says when the machine runs")
	again.Spec.RunStrategy = new(kubevirt.RunStrategyHalted)
	if err := c.admin.Update(t.Context(), again); err != nil {
		t.Error(err)
	}
	again.Spec.Running = new(true)
	refused(t, c.admin.Update(t.Context(), again), "excludes running")
	if err := c.admin.Delete(t.Context(), again); err != nil {
		t.Error(err)
	}
}

// KubeVirt's defaults of an instance.
func (c *testCluster) testInstance(t *testing.T) {
	vmi := instanceFrom(t, `
metadata: {name: instance, namespace: default}
spec:
  domain:
    resources: {requests: {memory: 64Mi}, limits: {cpu: 2, memory: 128Mi}}
    devices: {disks: [{name: disk, disk: {}}, {name: cd, cdrom: {}}]}
  readinessProbe: {tcpSocket: {port: 22}}
  volumes:
  - {name: disk, containerDisk: {image: images.example/a}}
  - {name: cd, containerDisk: {image: "images.example/a:1"}}
  - {name: empty, emptyDisk: {capacity: 1Gi}}
status: {phase: Running, nodeName: elsewhere}
`)
	if err := c.admin.Create(t.Context(), vmi); err != nil {
		t.Fatal(err)
	}
	if vmi.Status.Phase != "" || vmi.Status.NodeName != "" {
		t.Errorf("a user's status is kept: %+v", vmi.Status)
	}
	if diff := cmp.Diff([]string{kubevirt.VirtualMachineInstanceFinalizer}, vmi.Finalizers); diff != "" {
		t.Errorf("finalizers: -want +got:\n%s", diff)
	}
	spec := &vmi.Spec
	if spec.Domain.Firmware.UUID == "" || spec.Domain.Devices.Interfaces[0].MacAddress == "" {
		t.Errorf("got firmware %+v and interfaces %+v", spec.Domain.Firmware, spec.Domain.Devices.Interfaces)
	}
	for what, diff := range map[string]string{
		"cpu":      cmp.Diff(&kubevirt.CPU{Sockets: 2, Cores: 1, Threads: 1, Model: "host-model"}, spec.Domain.CPU),
		"memory":   cmp.Diff("64Mi", spec.Domain.Memory.Guest.String()),
		"requests": cmp.Diff("2", ptrTo(spec.Domain.Resources.Requests[corev1.ResourceCPU]).String()),
		"networks": cmp.Diff([]kubevirt.Network{*kubevirt.DefaultPodNetwork()}, spec.Networks),
		"probe":    cmp.Diff([4]int32{1, 10, 1, 3}, [4]int32{spec.ReadinessProbe.TimeoutSeconds, spec.ReadinessProbe.PeriodSeconds, spec.ReadinessProbe.SuccessThreshold, spec.ReadinessProbe.FailureThreshold}),
		"policies": cmp.Diff([2]corev1.PullPolicy{"Always", "IfNotPresent"}, [2]corev1.PullPolicy{spec.Volumes[0].ContainerDisk.ImagePullPolicy, spec.Volumes[1].ContainerDisk.ImagePullPolicy}),
		"buses":    cmp.Diff([3]kubevirt.DiskBus{"sata", "sata", "sata"}, [3]kubevirt.DiskBus{spec.Domain.Devices.Disks[0].Disk.Bus, spec.Domain.Devices.Disks[1].CDRom.Bus, spec.Domain.Devices.Disks[2].Disk.Bus}),
	} {
		if diff != "" {
			t.Errorf("%s: -want +got:\n%s", what, diff)
		}
	}
	c.remove(t, vmi)
}

func ptrTo(q resource.Quantity) *resource.Quantity { return &q }

// remove deletes an instance as the controller does: there is none here to take the finalizer away.
func (c *testCluster) remove(t *testing.T, vmi *kubevirt.VirtualMachineInstance) {
	t.Helper()
	controller := c.as(t, "controller")
	if err := c.admin.Delete(t.Context(), vmi); err != nil {
		t.Fatal(err)
	}
	without := vmi.DeepCopy()
	without.Finalizers = nil
	if err := controller.Patch(t.Context(), without, client.MergeFrom(vmi)); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
}

func (c *testCluster) as(t *testing.T, component string) client.Client {
	t.Helper()
	as, err := client.New(kubetest.As(c.config, component), client.Options{Scheme: scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return as
}

// A manifest of each kind of wrong. What package spec refuses has tests of its own there.
func (c *testCluster) testInvalid(t *testing.T) {
	const spec = "domain: {memory: {guest: 64Mi}, devices: {}}"
	for name, test := range map[string]struct{ metadata, spec, want string }{
		"unsupported":      {"{}", "domain: {memory: {guest: 64Mi}, devices: {gpus: [{name: a, deviceName: b}]}}", "spec.domain.devices.gpus: not supported yet"},
		"no memory":        {"{}", "domain: {devices: {}}", "spec.domain.memory.guest"},
		"two things":       {"{}", "hostname: A, subdomain: B, " + spec, "spec.subdomain"},
		"reserved label":   {"{labels: {kubevirt.io/created-by: me}}", spec, "metadata.labels[kubevirt.io/created-by]: is set by Tapir only"},
		"host disk":        {"{}", spec + ", volumes: [{name: a, hostDisk: {path: /a, type: Disk}}]", "spec.volumes[0].hostDisk: this installation"},
		"kernel of a host": {"{annotations: {tapir-vm.io/kernel: /boot/vmlinuz}}", spec, "metadata.annotations[tapir-vm.io/kernel]"},
		"affinity":         {"{}", "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Near}]}]}}}, " + spec, "spec.affinity"},
		"toleration":       {"{}", "tolerations: [{key: a, operator: Maybe}], " + spec, "spec.tolerations[0].operator"},
		"spread":           {"{}", "topologySpreadConstraints: [{maxSkew: 0, topologyKey: a, whenUnsatisfiable: DoNotSchedule}], " + spec, "spec.topologySpreadConstraints[0].maxSkew"},
		"node selector":    {"{}", "nodeSelector: {'a b': c}, " + spec, "spec.nodeSelector"},
		"probe's port":     {"{}", "readinessProbe: {tcpSocket: {port: 0}}, " + spec, "readinessProbe.tcpSocket.port"},
	} {
		vmi := instanceFrom(t, "{metadata: "+test.metadata+", spec: {"+test.spec+"}}")
		vmi.Namespace, vmi.Name = "default", "invalid"
		refused(t, c.admin.Create(t.Context(), vmi), test.want)
		t.Log(name)

		vm := &kubevirt.VirtualMachine{Spec: kubevirt.VirtualMachineSpec{RunStrategy: new(kubevirt.RunStrategyAlways),
			Template: &kubevirt.VirtualMachineInstanceTemplateSpec{ObjectMeta: instanceFrom(t, "{metadata: "+test.metadata+"}").ObjectMeta, Spec: instanceFrom(t, "{spec: {"+test.spec+"}}").Spec}}}
		vm.Namespace, vm.Name = "default", "invalid"
		refused(t, c.admin.Create(t.Context(), vm), test.want)
	}
	undecodable := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(`{apiVersion: kubevirt.io/v1, kind: VirtualMachineInstance, metadata: {name: invalid, namespace: default},
		spec: {domain: {memory: {guest: many}, devices: {}}}}`), undecodable); err != nil {
		t.Fatal(err)
	}
	refused(t, c.admin.Create(t.Context(), undecodable), "spec.domain.memory.guest: Invalid value")
	migration := &kubevirt.VirtualMachineInstanceMigration{}
	migration.Namespace, migration.Name, migration.Spec.VMIName = "default", "a", "a"
	refused(t, c.admin.Create(t.Context(), migration), "live migration is not supported yet")
	unnamed := instanceFrom(t, "{metadata: {generateName: a-, namespace: default}, spec: {"+spec+"}}")
	refused(t, c.admin.Create(t.Context(), unnamed), "generateName")
}

// Instances are judged by an admission policy once they are there.
func (c *testCluster) testInstanceUpdates(t *testing.T) {
	vmi := instanceFrom(t, "{metadata: {name: fixed, namespace: default}, spec: {domain: {memory: {guest: 64Mi}, devices: {}}}}")
	if err := c.admin.Create(t.Context(), vmi); err != nil {
		t.Fatal(err)
	}
	patch := func(user client.Client, change func(*kubevirt.VirtualMachineInstance)) error {
		changed := vmi.DeepCopy()
		change(changed)
		err := user.Patch(t.Context(), changed, client.MergeFrom(vmi))
		if err == nil {
			vmi = changed
		}
		return err
	}
	status := func(v *kubevirt.VirtualMachineInstance) { v.Status.Reason = v.Status.Reason + "x" }
	// The policy takes a moment to come into force.
	waitFor(t, "the policy", func() error {
		if patch(c.admin, func(v *kubevirt.VirtualMachineInstance) { v.Spec.Hostname += "x" }) == nil {
			return errTest
		}
		return nil
	})
	refused(t, patch(c.admin, func(v *kubevirt.VirtualMachineInstance) { v.Spec.Hostname = "other" }), "never changes")
	refused(t, patch(c.as(t, "agent"), func(v *kubevirt.VirtualMachineInstance) { v.Spec.Hostname = "other" }), "never changes")
	down := func(v *kubevirt.VirtualMachineInstance) {
		v.Spec.Domain.Devices.Interfaces[0].State = kubevirt.InterfaceStateLinkDown
	}
	refused(t, patch(c.admin, down), "never changes")
	if err := patch(c.as(t, "controller"), down); err != nil {
		t.Errorf("the controller changes a link: %v", err)
	}
	refused(t, patch(c.as(t, "controller"), func(v *kubevirt.VirtualMachineInstance) { down(v); v.Spec.Hostname = "other" }), "never changes")
	refused(t, patch(c.as(t, "controller"), func(v *kubevirt.VirtualMachineInstance) { v.Spec.Domain.CPU = nil }), "never changes")
	refused(t, patch(c.as(t, "controller"), func(v *kubevirt.VirtualMachineInstance) { v.Spec.Domain.Devices.Rng = &kubevirt.Rng{} }), "never changes")
	refused(t, patch(c.as(t, "controller"), func(v *kubevirt.VirtualMachineInstance) { v.Spec.Domain.Devices.Interfaces[0].Model = "e1000" }), "never changes")
	refused(t, patch(c.as(t, "controller"), func(v *kubevirt.VirtualMachineInstance) {
		v.Spec.Domain.Devices.Interfaces = append(v.Spec.Domain.Devices.Interfaces, kubevirt.Interface{Name: "second"})
	}), "never changes")
	annotate := func(name string) func(*kubevirt.VirtualMachineInstance) {
		return func(v *kubevirt.VirtualMachineInstance) { metav1.SetMetaDataAnnotation(&v.ObjectMeta, name, "other") }
	}
	refused(t, patch(c.admin, annotate("tapir-vm.io/redirect")), "never change")
	refused(t, patch(c.admin, annotate("kubevirt.io/ignitiondata")), "never change")
	if err := patch(c.admin, annotate("example.com/note")); err != nil {
		t.Errorf("an annotation of one's own: %v", err)
	}
	refused(t, patch(c.admin, status), "written by Tapir only")
	refused(t, patch(c.admin, func(v *kubevirt.VirtualMachineInstance) { v.Labels = map[string]string{kubevirt.NodeNameLabel: "a"} }), "Tapir's own")
	if err := patch(c.admin, func(v *kubevirt.VirtualMachineInstance) { v.Labels = map[string]string{"mine": "a"} }); err != nil {
		t.Errorf("a label of one's own: %v", err)
	}
	if err := patch(c.as(t, "controller"), func(v *kubevirt.VirtualMachineInstance) {
		v.Labels[kubevirt.NodeNameLabel] = "node-a"
		v.Status.NodeName, v.Status.Phase = "node-a", kubevirt.Scheduled
	}); err != nil {
		t.Errorf("the controller: %v", err)
	}
	agent := func(node string) client.Client {
		config := kubetest.As(c.config, "agent")
		config.Impersonate.Extra = map[string][]string{"authentication.kubernetes.io/node-name": {node}}
		as, err := client.New(config, client.Options{Scheme: scheme()})
		if err != nil {
			t.Fatal(err)
		}
		return as
	}
	if err := patch(agent("node-a"), status); err != nil {
		t.Errorf("the agent of its node: %v", err)
	}
	refused(t, patch(agent("node-b"), status), "its own node")
	refused(t, patch(agent("node-a"), func(v *kubevirt.VirtualMachineInstance) { v.Status.NodeName = "node-b" }), "to another node")
	refused(t, patch(agent("node-a"), func(v *kubevirt.VirtualMachineInstance) { v.Labels[kubevirt.NodeNameLabel] = "node-b" }), "Tapir's own")
	c.remove(t, vmi)
}
