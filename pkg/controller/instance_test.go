// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	kubevirt "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/tapir-vm/tapir/pkg/controller/status"
	"github.com/tapir-vm/tapir/pkg/handover"
)

type vmiT = kubevirt.VirtualMachineInstance

func inPhase(phase kubevirt.VirtualMachineInstancePhase) func(*vmiT) bool {
	return func(vmi *vmiT) bool { return vmi.Status.Phase == phase }
}

// because is a condition with a reason.
func because(kind kubevirt.VirtualMachineInstanceConditionType, is corev1.ConditionStatus, reason string) func(*vmiT) bool {
	return func(vmi *vmiT) bool {
		c := status.Condition(vmi, kind)
		return c != nil && c.Status == is && c.Reason == reason
	}
}

// testPodsAreAccepted has the API server judge the pods that package pod renders.
func testPodsAreAccepted(t *testing.T, c *cluster) {
	create(t, c, &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "high"}, Value: 1})
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{
		"pod-security.kubernetes.io/enforce": "restricted",
	}}})
	files, err := filepath.Glob("pod/testdata/*.pod.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found no pods: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p := new(corev1.Pod)
		if err := yaml.UnmarshalStrict(text, p); err != nil {
			t.Fatal(err)
		}
		if filepath.Base(file) != "storage.pod.yaml" { // a hostDisk is no restricted pod's
			p.Namespace = "shop"
		}
		if err := c.Create(context.Background(), p, client.DryRunAll); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// testLife follows a machine from its making to its end.
func testLife(t *testing.T, c *cluster) {
	vmi := create(t, c, machine(c.space(t), "demo"))
	p := launcher(t, c, vmi)
	until(t, c, vmi, "phase Scheduling, not ready", func(vmi *vmiT) bool {
		return vmi.Status.Phase == kubevirt.Scheduling &&
			because(kubevirt.VirtualMachineInstanceReady, corev1.ConditionFalse, kubevirt.GuestNotRunningReason)(vmi)
	})
	untilEvent(t, c, vmi, "SuccessfulCreate", p.Name)
	runGuest(t, c, vmi)
	if vmi.Labels[kubevirt.NodeNameLabel] != "node-a" || vmi.Status.NodeName != "node-a" || vmi.Status.ActivePods[p.UID] != "node-a" {
		t.Errorf("labels %v, node %q, pods %v: want node-a in all", vmi.Labels, vmi.Status.NodeName, vmi.Status.ActivePods)
	}
	for _, phase := range []kubevirt.VirtualMachineInstancePhase{kubevirt.Pending, kubevirt.Scheduling, kubevirt.Scheduled, kubevirt.Running} {
		if !status.WasIn(vmi, phase) {
			t.Errorf("no time of transition to %s", phase)
		}
	}

	gate := func(want corev1.ConditionStatus) func(*corev1.Pod) bool {
		return func(p *corev1.Pod) bool {
			for _, condition := range p.Status.Conditions {
				if condition.Type == kubevirt.VirtualMachineUnpaused {
					return condition.Status == want
				}
			}
			return false
		}
	}
	until(t, c, p, "an open readiness gate", gate(corev1.ConditionTrue))
	change(t, c, vmi, func(vmi *vmiT) {
		status.SetCondition(vmi, kubevirt.VirtualMachineInstancePaused, corev1.ConditionTrue, "PausedByUser", "", metav1.Now())
	})
	until(t, c, p, "a closed readiness gate", gate(corev1.ConditionFalse))

	if err := c.Delete(context.Background(), vmi); err != nil {
		t.Fatal(err)
	}
	until(t, c, p, "deletion with the guest's grace period and 15 s", func(p *corev1.Pod) bool {
		return p.DeletionTimestamp != nil && ptr.Deref(p.DeletionGracePeriodSeconds, 0) == 30+15
	})
	end(t, c, p, 0, "")
	until(t, c, vmi, "phase Succeeded", inPhase(kubevirt.Succeeded))
	remove(t, c, p)
	untilGone(t, c, vmi)
}

// testWaits: what a machine waits for is in a condition and an event; when it comes, the machine goes on.
func testWaits(t *testing.T, c *cluster) {
	const synchronized = kubevirt.VirtualMachineInstanceSynchronized
	waiting := func(reason, message string) corev1.PodStatus {
		return corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{
			Name: handover.Container, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
		}}}
	}
	tests := map[string]struct {
		status corev1.PodStatus
		kind   kubevirt.VirtualMachineInstanceConditionType
		reason string
		words  string
	}{
		"no node is good enough": {
			status: corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/2 nodes are available: Insufficient devices.kubevirt.io/kvm",
			}}},
			kind: "PodScheduled", reason: "Unschedulable", words: "kvm",
		},
		"image can't be pulled": {
			status: waiting("ErrImagePull", "no such image"),
			kind:   synchronized, reason: "ErrImagePull", words: "no such image",
		},
		"container can't be made": {
			status: waiting("CreateContainerError", ""),
			kind:   synchronized, reason: "CreateContainerError", words: "compute",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			vmi := create(t, c, machine(c.space(t), "demo"))
			p := launcher(t, c, vmi)
			changeStatus(t, c, p, func(p *corev1.Pod) { p.Status = test.status })
			until(t, c, vmi, "condition "+test.reason, because(test.kind, corev1.ConditionFalse, test.reason))
			untilEvent(t, c, vmi, test.reason, test.words)
			run(t, c, p, "node-a")
			until(t, c, vmi, "phase Scheduled, no complaint", func(vmi *vmiT) bool {
				return vmi.Status.Phase == kubevirt.Scheduled && status.Condition(vmi, test.kind) == nil
			})
		})
	}
}

// testMissingClaim: no pod without the claim, and one when it is there and filled.
func testMissingClaim(t *testing.T, c *cluster) {
	vmi := machine(c.space(t), "demo")
	vmi.Spec.Volumes = []kubevirt.Volume{{Name: "root", VolumeSource: kubevirt.VolumeSource{DataVolume: &kubevirt.DataVolumeSource{Name: "root"}}}}
	create(t, c, vmi)
	until(t, c, vmi, "condition FailedPvcNotFound", because(kubevirt.VirtualMachineInstanceSynchronized, corev1.ConditionFalse, "FailedPvcNotFound"))
	untilEvent(t, c, vmi, "FailedPvcNotFound", "persistent volume claim root doesn't exist")

	const importing = "cdi.kubevirt.io/storage.pod.phase"
	claim := create(t, c, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: vmi.Namespace, Name: "root", Annotations: map[string]string{importing: "Running"}},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			VolumeMode:  ptr.To(corev1.PersistentVolumeBlock),
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	})
	until(t, c, vmi, "condition Provisioning", because(kubevirt.VirtualMachineInstanceProvisioning, corev1.ConditionTrue, "Provisioning"))
	change(t, c, claim, func(claim *corev1.PersistentVolumeClaim) { claim.Annotations[importing] = "Succeeded" })
	p := launcher(t, c, vmi)
	if devices := p.Spec.Containers[0].VolumeDevices; len(devices) != 1 || devices[0].DevicePath != handover.BlockDevice("root") {
		t.Errorf("the claim is a block device, the pod has %+v", devices)
	}
	until(t, c, vmi, "condition WaitingForVolumeBinding", because(kubevirt.VirtualMachineInstanceProvisioning, corev1.ConditionTrue, "WaitingForVolumeBinding"))
	changeStatus(t, c, claim, func(claim *corev1.PersistentVolumeClaim) { claim.Status.Phase = corev1.ClaimBound })
	until(t, c, vmi, "no condition Provisioning", func(vmi *vmiT) bool { return status.Condition(vmi, kubevirt.VirtualMachineInstanceProvisioning) == nil })
}

// testMissingSecret: the kubelet's event about a volume becomes the machine's condition.
func testMissingSecret(t *testing.T, c *cluster) {
	vmi := create(t, c, machine(c.space(t), "demo"))
	p := launcher(t, c, vmi)
	bind(t, c, p, "node-a")
	create(t, c, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: p.Namespace, GenerateName: "mount-"},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", APIVersion: "v1", Namespace: p.Namespace, Name: p.Name, UID: p.UID},
		Reason:         "FailedMount", Type: corev1.EventTypeWarning, LastTimestamp: metav1.Now(),
		Message: `MountVolume.SetUp failed for volume "volume-seed" : secret "user-data" not found`,
	})
	until(t, c, vmi, "condition FailedMount", because(kubevirt.VirtualMachineInstanceSynchronized, corev1.ConditionFalse, "FailedMount"))
	untilEvent(t, c, vmi, "FailedMount", `secret "user-data" not found`)
}

// testRefusedPod: what the API server says against a pod.
func testRefusedPod(t *testing.T, c *cluster) {
	namespace := c.space(t)
	limits := create(t, c, &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "small"}, Spec: corev1.LimitRangeSpec{
		Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypePod, Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Mi")}}},
	}})
	vmi := create(t, c, machine(namespace, "demo"))
	until(t, c, vmi, "condition FailedCreate", because(kubevirt.VirtualMachineInstanceSynchronized, corev1.ConditionFalse, "FailedCreate"))
	untilEvent(t, c, vmi, "FailedCreate", "maximum memory usage per Pod")
	if err := c.Delete(context.Background(), limits); err != nil {
		t.Fatal(err)
	}
	launcher(t, c, vmi)
	until(t, c, vmi, "no complaint any more", func(vmi *vmiT) bool { return status.Condition(vmi, kubevirt.VirtualMachineInstanceSynchronized) == nil })
}

// testNotAllowed: what the installation doesn't allow is no pod, whatever admission has let through.
func testNotAllowed(t *testing.T, c *cluster) {
	vmi := machine(c.space(t), "demo")
	vmi.Spec.Volumes = []kubevirt.Volume{{Name: "host", VolumeSource: kubevirt.VolumeSource{HostDisk: &kubevirt.HostDisk{Path: "/etc/shadow", Type: kubevirt.HostDiskExists}}}}
	create(t, c, vmi)
	until(t, c, vmi, "condition FailedCreate", because(kubevirt.VirtualMachineInstanceSynchronized, corev1.ConditionFalse, "FailedCreate"))
	untilEvent(t, c, vmi, "FailedCreate", "hostDisk, which this installation doesn't allow")
	if vmi.Status.Phase != kubevirt.Pending {
		t.Errorf("phase %s, want Pending", vmi.Status.Phase)
	}
}

// testEnds: how a pod ends is how its machine ends.
func testEnds(t *testing.T, c *cluster) {
	tests := map[string]struct {
		status        corev1.PodStatus
		phase         kubevirt.VirtualMachineInstancePhase
		reason, words string // of the event
	}{
		"guest shuts down": {
			status: corev1.PodStatus{Phase: corev1.PodSucceeded, ContainerStatuses: terminated(handover.Container, 0, `{"failed":false,"message":"the guest has shut down"}`)},
			phase:  kubevirt.Succeeded,
		},
		"QEMU is killed": {
			status: corev1.PodStatus{Phase: corev1.PodFailed, ContainerStatuses: terminated(handover.Container, 1, `{"failed":true,"message":"QEMU was ended by signal 9"}`)},
			phase:  kubevirt.Failed, reason: "Failed", words: "QEMU was ended by signal 9",
		},
		"launcher is killed": {
			status: corev1.PodStatus{Phase: corev1.PodFailed, ContainerStatuses: terminated(handover.Container, 137, "")},
			phase:  kubevirt.Failed, reason: "PodEnded", words: "killed by signal 9",
		},
		"image without a disk": {
			status: corev1.PodStatus{Phase: corev1.PodFailed, InitContainerStatuses: terminated("disk-root", 1, "found no disk under /disk")},
			phase:  kubevirt.Failed, reason: "PodEnded", words: "disk-root: found no disk under /disk",
		},
		"eviction": {
			status: corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on resource: memory."},
			phase:  kubevirt.Failed, reason: "Evicted", words: "low on resource",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			vmi := create(t, c, machine(c.space(t), "demo"))
			p := launcher(t, c, vmi)
			if test.status.InitContainerStatuses == nil {
				runGuest(t, c, vmi)
			}
			changeStatus(t, c, p, func(p *corev1.Pod) { p.Status = test.status })
			until(t, c, vmi, "phase "+string(test.phase), inPhase(test.phase))
			if test.reason != "" {
				untilEvent(t, c, vmi, test.reason, test.words)
			}
			until(t, c, vmi, "not ready", func(vmi *vmiT) bool {
				return status.Condition(vmi, kubevirt.VirtualMachineInstanceReady).Status == corev1.ConditionFalse
			})
		})
	}
	t.Run("pod is gone", func(t *testing.T) {
		vmi := create(t, c, machine(c.space(t), "demo"))
		remove(t, c, runGuest(t, c, vmi))
		until(t, c, vmi, "phase Failed", inPhase(kubevirt.Failed))
		untilEvent(t, c, vmi, "PodEnded", "gone")
	})
	t.Run("deleted while starting", func(t *testing.T) {
		vmi := create(t, c, machine(c.space(t), "demo"))
		p := launcher(t, c, vmi)
		if err := c.Delete(context.Background(), vmi); err != nil {
			t.Fatal(err)
		}
		untilGone(t, c, p) // nothing runs yet, so the API server needs no kubelet for it
		untilGone(t, c, vmi)
	})
}

func terminated(name string, code int32, message string) []corev1.ContainerStatus {
	return []corev1.ContainerStatus{{Name: name, State: corev1.ContainerState{
		Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Message: message, Reason: map[bool]string{true: "Completed", false: "Error"}[code == 0]},
	}}}
}

// testNodeLost: a machine whose node isn't heard of is not ready, and says so once; an agent that is still there has the last word.
func testNodeLost(t *testing.T, c *cluster) {
	vmi := create(t, c, machine(c.space(t), "demo"))
	node := c.node(t, "node-lost")
	p := runGuestOn(t, c, vmi, node.Name)
	lost := because(kubevirt.VirtualMachineInstanceReady, corev1.ConditionFalse, "NodeUnresponsive")

	heard(t, c, node, corev1.ConditionUnknown)
	until(t, c, vmi, "NodeUnresponsive", lost)
	untilEvent(t, c, vmi, "NodeUnresponsive", "node node-lost has not been heard of since")
	if vmi.Status.Phase != kubevirt.Running {
		t.Errorf("phase %s, while the guest may well run", vmi.Status.Phase)
	}
	change(t, c, vmi, func(vmi *vmiT) {
		status.SetCondition(vmi, kubevirt.VirtualMachineInstanceReady, corev1.ConditionTrue, "", "", metav1.Now())
	})
	heard(t, c, node, corev1.ConditionTrue)
	until(t, c, vmi, "ready, node heard of", func(vmi *vmiT) bool { return vmi.Status.Reason == "" })
	if lost(vmi) {
		t.Error("the agent has said that the machine is ready, and was overruled")
	}

	if err := c.Delete(context.Background(), node); err != nil {
		t.Fatal(err)
	}
	until(t, c, vmi, "NodeUnresponsive", lost)
	remove(t, c, p)
	until(t, c, vmi, "phase Failed", inPhase(kubevirt.Failed))
}

// testAdoption: a pod that has lost its owner is taken back.
func testAdoption(t *testing.T, c *cluster) {
	vmi := create(t, c, machine(c.space(t), "demo"))
	p := runGuest(t, c, vmi)
	change(t, c, p, func(p *corev1.Pod) { p.OwnerReferences = nil })
	until(t, c, p, "an owner", func(p *corev1.Pod) bool { return metav1.IsControlledBy(p, vmi) })
}

// testBudget: the API server refuses to evict a pod whose machine is to be migrated instead.
func testBudget(t *testing.T, c *cluster) {
	vmi := machine(c.space(t), "demo")
	vmi.Spec.EvictionStrategy = ptr.To(kubevirt.EvictionStrategyLiveMigrate)
	create(t, c, vmi)
	launcher(t, c, vmi)
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: vmi.Namespace, Name: "kubevirt-disruption-budget-" + string(vmi.UID)}}
	until(t, c, budget, "a budget", func(b *policyv1.PodDisruptionBudget) bool { return b.Spec.MinAvailable.IntValue() == 1 })
	if err := c.Delete(context.Background(), budget); err != nil {
		t.Fatal(err)
	}
	until(t, c, budget, "the budget again", func(b *policyv1.PodDisruptionBudget) bool { return b.DeletionTimestamp == nil })
}
