// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"encoding/base64"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/vm"
)

// cloudInit converts a NoCloud volume.
func (c *conversion) cloudInit(v *VM, source *kubevirt.CloudInitNoCloudSource, at *field.Path) {
	if v.VM.CloudInit != nil {
		c.fail(field.Forbidden(at, "a second one is "+notYet))
		return
	}
	user := seed{"userData", source.UserData, source.UserDataBase64, "secretRef", source.UserDataSecretRef, [2]string{"userdata", "userData"}}
	network := seed{"networkData", source.NetworkData, source.NetworkDataBase64, "networkDataSecretRef", source.NetworkDataSecretRef, [2]string{"networkdata", "networkData"}}
	v.VM.CloudInit = &vm.CloudInit{
		UserData:    c.seed(at, user),
		NetworkData: c.seed(at, network),
		// A new instance-id makes a guest configure itself anew; KubeVirt's is the same.
		MetaData: fmt.Sprintf("instance-id: %q\nlocal-hostname: %q\n", v.Name+"."+v.Namespace, v.Hostname),
	}
	if !user.given() && !network.given() {
		c.fail(field.Required(at, "has no data: give userData or networkData"))
	}
}

// seed is one of the files of a NoCloud seed, and the ways to give it.
type seed struct {
	name          string
	plain, base64 string
	refName       string
	ref           *corev1.LocalObjectReference
	keys          [2]string // of the Secret
}

func (s seed) given() bool { return s.plain != "" || s.base64 != "" || s.ref != nil }

func (c *conversion) seed(path *field.Path, s seed) string {
	n := 0
	for _, given := range []bool{s.plain != "", s.base64 != "", s.ref != nil} {
		if given {
			n++
		}
	}
	switch {
	case n > 1:
		c.fail(field.Invalid(path.Child(s.name), field.OmitValueType{}, fmt.Sprintf("is given twice: keep one of %s, %sBase64 and %s", s.name, s.name, s.refName)))
	case s.ref != nil:
		return c.secret(path.Child(s.refName, "name"), s)
	case s.base64 != "":
		decoded, err := base64.StdEncoding.DecodeString(s.base64)
		if err != nil {
			c.fail(field.Invalid(path.Child(s.name+"Base64"), field.OmitValueType{}, "must be base64"))
		}
		return string(decoded)
	}
	return s.plain
}

// secret returns what the Secret among the given objects holds that a reference names.
func (c *conversion) secret(path *field.Path, s seed) string {
	if s.ref.Name == "" {
		c.fail(field.Required(path, "names a Secret of the machine's namespace"))
		return ""
	}
	if c.objects == nil {
		return ""
	}
	secret := c.objects.secrets[types.NamespacedName{Namespace: c.machine.VMI.Namespace, Name: s.ref.Name}]
	if secret == nil {
		c.fail(field.Invalid(path, s.ref.Name, fmt.Sprintf("there is no Secret of this name in namespace %s among the given objects", c.machine.VMI.Namespace)))
		return ""
	}
	for _, key := range s.keys {
		if text, ok := secret.StringData[key]; ok { // overrides data, as in the API server
			return text
		}
		if data, ok := secret.Data[key]; ok {
			return string(data)
		}
	}
	c.fail(field.Invalid(path, s.ref.Name, fmt.Sprintf("the Secret has no key %s", s.keys[0])))
	return ""
}
