// SPDX-License-Identifier: Apache-2.0

// Command kubernetes is every program of a cluster in one: etcd, Kubernetes' own, and helm. It acts as the program that
// it is called by, or that its first argument names. They share most of what they are made of, so that one link takes a
// quarter of the time and of the space that eight would.
//
// It is a module of its own: Kubernetes can be imported only with a replacement for each module that is staged in its
// repository, and Tapir's own module shall not carry them, nor what Kubernetes needs. For another version, change it
// in all the lines of go.mod that have the present one, and run go mod tidy.
package main
