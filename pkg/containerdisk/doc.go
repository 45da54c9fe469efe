// SPDX-License-Identifier: Apache-2.0

// Package containerdisk takes the disk of a virtual machine out of a container image.
//
// # Theory of operation
//
// An image that holds a disk has it, as KubeVirt's containerDisk has it, as the one file under /disk, or where the manifest says.
// [Find] finds it below the root of the image, wherever that is mounted, and [Copy] copies it to where the launcher takes it for the
// base of an overlay: under its final name only once it is whole. Holes of the file stay holes.
//
// What is in the image belongs to whoever made it: links that lead out of the image are not followed, and what isn't a file is refused.
// Whether the file is a disk that QEMU may be given is for package vm to judge.
//
// # Limits
//
// Only the standard library is used, because cmd/tapir-disk runs in images where there is nothing else at all.
package containerdisk
