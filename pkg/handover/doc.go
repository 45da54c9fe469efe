// SPDX-License-Identifier: Apache-2.0

// Package handover is the contract between the three processes that make a virtual machine of a pod: where
// in the launcher's pod things lie, and what agent and launcher say to each other.
package handover
