// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf"
)

const (
	surveyStretch = 64   // SURVEY_STRETCH in bpf/types.h
	surveyRuns    = 1024 // with one system call, which takes a fraction of a millisecond
)

// survey runs tapir_survey on s.
func (n *NIC) survey(s *masqueradeSurvey, runs uint32) error {
	const frame = 64 // bytes: the kernel wants at least a header's
	in, out := make([]byte, frame), make([]byte, frame)
	if _, err := binary.Encode(in, binary.NativeEndian, s); err != nil {
		return fmt.Errorf("surveying the flow table: %w", err)
	}
	code, err := n.surveyor.Run(&ebpf.RunOptions{Data: in, DataOut: out, Repeat: runs})
	if err == nil && code != 0 {
		err = fmt.Errorf("the program returned %d", int32(code))
	}
	if err == nil {
		_, err = binary.Decode(out, binary.NativeEndian, s)
	}
	if err != nil {
		return fmt.Errorf("surveying the flow table: %w", err)
	}
	return nil
}

// now reads the programs' clock.
func (n *NIC) now() (uint32, error) {
	s := masqueradeSurvey{Slot: n.maps.Flows.MaxEntries()}
	err := n.survey(&s, 1)
	return s.Now, err
}

// FlowCount counts the entries of the flow table.
func (n *NIC) FlowCount() (int, error) {
	var s masqueradeSurvey
	for slots := n.maps.Flows.MaxEntries(); s.Slot < slots; {
		if err := n.survey(&s, min((slots-s.Slot+surveyStretch-1)/surveyStretch, surveyRuns)); err != nil {
			return 0, err
		}
	}
	return int(s.Flows), nil
}
