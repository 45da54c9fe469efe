// SPDX-License-Identifier: Apache-2.0

// Package e2e tests Tapir in a cluster of package lab, as its users meet it: made by `make images`, installed by the Helm chart,
// given examples/cluster, and looked at through kubectl. `make e2e` builds what the tests need.
//
// All tests share one cluster of two nodes. Each has a namespace of its own, which is removed with all that is in it when the
// test ends; of one that fails, objects and events are printed first. TestStartTime and TestOutages come first and
// alone, for one measures and the other takes the cluster apart; all others then run side by side. When all have ended, neither cluster nor nodes may have anything left of their machines.
package e2e
