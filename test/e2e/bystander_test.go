// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"time"
)

// A bystander is a guest that must not notice what happens around it.
type bystander struct {
	vmi, pod, container string // the container's id
	stream              *stream
}

// meet returns when the guest of an instance talks.
func (s *space) meet(vmi string) *bystander {
	s.Helper()
	s.waitForPhase(vmi, "Running")
	b := &bystander{vmi: vmi, pod: s.launcher(vmi)}
	b.container = s.containerOf(b.pod)
	b.stream = s.openStream(b.pod)
	s.wait("vmi/"+b.vmi, "condition=Ready")
	return b
}

// containerOf tells a container from one that was started in its place.
func (s *space) containerOf(pod string) string {
	s.Helper()
	return fmt.Sprint(s.field(pod, ".status.containerStatuses[*]['containerID','restartCount']"))
}

// untouched returns when a bystander has shown that nothing has happened to it: it talks on the connection that it always had, and
// runs, in the same container.
func (s *space) untouched(b *bystander) {
	s.Helper()
	if err := b.stream.listen(3); err != nil {
		s.Errorf("%s: %v", b.vmi, err)
	}
	s.wait("vmi/"+b.vmi, "condition=Ready")
	if phase := s.field("vmi/"+b.vmi, ".status.phase"); phase[0] != "Running" {
		s.Errorf("%s is %s", b.vmi, phase)
	}
	if pod, container := s.launcher(b.vmi), s.containerOf(b.pod); pod != b.pod || container != b.container {
		s.Errorf("%s ran as %s in %s, and now does as %s in %s", b.vmi, b.container, b.pod, container, pod)
	}
	s.Logf("%s was silent for %s at most", b.vmi, b.stream.silence().Round(time.Millisecond))
}
