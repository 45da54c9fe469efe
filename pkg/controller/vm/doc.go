// SPDX-License-Identifier: Apache-2.0

// Package vm makes and ends the VirtualMachineInstance of each VirtualMachine, as its run strategy, what was requested, and what has
// become of the last instance say.
//
// # Theory of operation
//
// A reconciliation looks at the VirtualMachine and the instance of its name, thinks ([decide]: a pure function), writes the status
// with the resource version that it was worked out from, and then acts: it makes the instance, or deletes it. Everything that must be
// known after an instance is gone (that it failed to start, that another is to follow) is so in the status before it is
// deleted. Instances have the VirtualMachine's name, so the API server refuses a second one.
//
// # Run strategies
//
//	             no instance              instance has ended             instance runs
//	Always       start, after back-off    delete                         Stop request: delete
//	RerunOnFail. start on Start request   delete; failed: request Start  Stop request: delete
//	Manual       start on Start request   keep; Start request: delete    Stop request: delete
//	Once         start                    keep                           keep
//	Halted       Start request: Always    delete                         delete
//
// Coming to RerunOnFailure from another strategy is a Start request. Requests are in status.stateChangeRequests, where KubeVirt's
// subresource API puts them: one is taken out when what it asks for is so, and only then is the next looked at.
//
// # Back-off
//
// An instance that ends without ever having run is a start failure. The n-th in a row makes the next start wait 10 s x n², up to half as
// much again at random so that many machines don't come back at once, and at most 5 minutes: KubeVirt's delays.
//
// # Changes
//
// A change of the template has no effect on an instance that is there. An instance carries a digest of the template that it
// was made of; while that is another than the template's, RestartRequired is true. The states of links are not part of it: they
// are copied to the instance that runs.
package vm
