// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"errors"
	"log/slog"
)

// prepareHost makes the host carry the packets of these pods.
func prepareHost(pods []*Pod) error {
	if err := enableForwarding(); err != nil {
		return err
	}
	return translate(pods)
}

// releaseHost makes the host forget about all other pods.
func releaseHost(remaining []*Pod, log *slog.Logger) error {
	err := translate(remaining)
	if len(remaining) > 0 {
		return err
	}
	return errors.Join(err, restoreForwarding(log))
}
