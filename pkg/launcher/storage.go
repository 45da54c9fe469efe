// SPDX-License-Identifier: Apache-2.0

package launcher

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/containerdisk"
	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// maxSecret is what Kubernetes takes, in bytes (MaxSecretSize).
const maxSecret = 1 << 20

// secretKeys are those that a cloud-init volume may have in its Secrets.
var secretKeys = []string{"userdata", "userData", "networkdata", "networkData"}

// secrets returns what the kubelet has mounted of the Secrets that the machine's cloud-init refers to.
func (l *launcher) secrets(vmi *kubevirt.VirtualMachineInstance) ([]*corev1.Secret, error) {
	byName := map[string]*corev1.Secret{}
	var all []*corev1.Secret
	read := func(ref *corev1.LocalObjectReference, dir string) error {
		if ref == nil {
			return nil
		}
		if byName[ref.Name] == nil {
			secret := &corev1.Secret{Data: map[string][]byte{}}
			secret.Namespace, secret.Name = vmi.Namespace, ref.Name
			byName[ref.Name] = secret
			all = append(all, secret)
		}
		return readSecret(byName[ref.Name], l.path(dir))
	}
	for i := range vmi.Spec.Volumes {
		volume := &vmi.Spec.Volumes[i]
		source := volume.CloudInitNoCloud
		if source == nil {
			continue
		}
		err := errors.Join(read(source.UserDataSecretRef, handover.Config(volume.Name)),
			read(source.NetworkDataSecretRef, handover.NetworkConfig(volume.Name)))
		if err != nil {
			return nil, fmt.Errorf("volume %s: %w", volume.Name, err)
		}
	}
	return all, nil
}

func readSecret(secret *corev1.Secret, dir string) error {
	for _, key := range secretKeys {
		file, err := os.Open(filepath.Join(dir, key))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read Secret %s: %w", secret.Name, err)
		}
		data, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
		file.Close()
		if err == nil && len(data) > maxSecret {
			err = fmt.Errorf("%s has more than %d bytes", key, maxSecret)
		}
		if err != nil {
			return fmt.Errorf("read Secret %s: %w", secret.Name, err)
		}
		secret.Data[key] = data
	}
	return nil
}

// place says where disks are of which the pod shows what they are: a claim may be a block device, an image mounted and not copied.
func (l *launcher) place(disks []vm.Disk, vmi *kubevirt.VirtualMachineInstance) error {
	images := map[string]string{}
	for _, volume := range vmi.Spec.Volumes {
		if volume.ContainerDisk != nil {
			images[volume.Name] = volume.ContainerDisk.Path
		}
	}
	for i := range disks {
		d := &disks[i]
		if d.Path == "" {
			continue
		}
		_, image := images[d.Name]
		device := l.path(handover.BlockDevice(d.Name))
		d.Path = l.path(d.Path)
		switch _, err := os.Stat(d.Path); {
		case err == nil || !errors.Is(err, fs.ErrNotExist):
		case image:
			found, err := findInImage(l.path(handover.ImageDir(d.Name)), images[d.Name])
			if err != nil {
				return fmt.Errorf("disk %s: %w", d.Name, err)
			}
			d.Path = found
		case exists(device):
			if errors.Is(unix.Access(device, unix.R_OK), unix.EACCES) {
				return fmt.Errorf("disk %s: user %d may not open the node's block device: set device_ownership_from_security_context in the node's container runtime", d.Name, os.Getuid())
			}
			d.Path = device
		}
	}
	return nil
}

// findInImage finds the disk in a mounted image.
func findInImage(dir, path string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	found, err := containerdisk.Find(root, path)
	return filepath.Join(dir, found), err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
