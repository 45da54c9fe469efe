// SPDX-License-Identifier: Apache-2.0

// Package guest boots the test guest of hack/guest-image.sh and talks to it over its serial console: test/guest/README.md
// says what the guest does and which lines it prints.
//
// [Boot] starts one for a test, with the console connected before its first byte; [NewConsole] takes the console of one that
// something else has started.
package guest
