// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// find returns the name of the machine that a user means by NAME or, as status shows it, NAMESPACE/NAME. Without a
// namespace it may be any name. Returns an error wrapping ErrNotFound when the machine of that name is of another
// namespace: who asks for one must not get the other.
func find(given string) (string, error) {
	namespace, name, qualified := strings.Cut(given, "/")
	if !qualified {
		return given, nil
	}
	path, err := homePath(name)
	if err != nil {
		_, err = homePath(given) // says it as it was given
		return "", err
	}
	s, err := load(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", notFound(given)
	case err != nil:
		return "", err
	case s.Namespace != namespace:
		return "", fmt.Errorf("%w: %s: the one of that name here is %s", ErrNotFound, given, s.fullName())
	}
	return name, nil
}
