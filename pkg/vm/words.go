// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// maxWords is how much of the end of QEMU's log is looked at, in bytes.
const maxWords = 4096

var (
	// said is a line of QEMU's own; those without its name before them are hints that follow one.
	said = regexp.MustCompile(`^(?:\S*/)?qemu\S*: (.+)$`)
	// object is an option as QEMU repeats it, with the name by which we know it.
	object = regexp.MustCompile(`^(-\w+) \{.*"(?:id|node-name)":"([^"]+)".*\}: `)
)

// lastWords is the last line that QEMU has said on stderr, without its name.
func (d runDir) lastWords() string {
	f, err := os.Open(d.path(qemuLog))
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > maxWords {
		f.Seek(-maxWords, io.SeekEnd)
	}
	tail, err := io.ReadAll(io.LimitReader(f, maxWords))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(tail), "")), "\n")
	last := lines[len(lines)-1]
	for _, line := range lines {
		if m := said.FindStringSubmatch(line); m != nil {
			last = m[1]
		}
	}
	return object.ReplaceAllString(strings.TrimSpace(last), "$1 $2: ")
}

// complaint is why QEMU didn't run c, by its words: a *ConfigError where these tell which part of c it was.
func (c *Config) complaint(words string) error {
	if strings.HasPrefix(words, "unable to find CPU model") {
		return configErrorf("CPUModel", "%q is no cpu.model that QEMU knows; these are: %s -cpu help", c.CPUModel, c.QEMU)
	}
	return fmt.Errorf("QEMU: %s", words)
}
