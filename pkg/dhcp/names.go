// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"fmt"
	"strings"

	"github.com/insomniacslk/dhcp/rfc1035label"
)

// Lengths of RFC 1035 section 2.3.4, in characters.
const (
	maxLabel = 63
	maxName  = 253
)

// checkName accepts the names that a resolver looks up: letters, digits, hyphens and, as they occur in
// practice, underscores; a final dot changes nothing.
func checkName(name string) error {
	plain := plainName(name)
	if plain == "" || len(plain) > maxName {
		return fmt.Errorf("%q has %d characters: give 1 to %d", name, len(plain), maxName)
	}
	for label := range strings.SplitSeq(plain, ".") {
		if label == "" || len(label) > maxLabel {
			return fmt.Errorf("%q has a label of %d characters: give 1 to %d between dots", name, len(label), maxLabel)
		}
		if i := strings.IndexFunc(label, notInName); i >= 0 {
			return fmt.Errorf("%q has a %q: use letters, digits and hyphens", name, label[i:i+1])
		}
	}
	return nil
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

func plainName(name string) string { return strings.TrimSuffix(name, ".") }

// labels encodes names as in RFC 1035 section 3.1, without compression, which old clients can't read.
func labels(names []string) *rfc1035label.Labels {
	l := rfc1035label.NewLabels()
	for _, name := range names {
		l.Labels = append(l.Labels, plainName(name))
	}
	return l
}
