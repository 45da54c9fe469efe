// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	tests := []struct {
		name, input, err string
		says             []string
	}{
		{
			name: "passed",
			input: `{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Test":"TestA","Output":"chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}
{"Action":"skip","Package":"no/tests","Elapsed":0}
{"Action":"pass","Package":"p","Elapsed":0.2}
`,
			says: []string{"pass p: 1 tests, 0.2 s", "1 passed, 0 failed, 0 skipped"},
		},
		{
			name: "failed",
			input: `{"Action":"output","Package":"p","Test":"TestA","Output":"want 1, got 2\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
`,
			says: []string{"want 1, got 2"},
			err:  "1 failed",
		},
		{
			name: "skipped",
			input: `{"Action":"output","Package":"p","Test":"TestA","Output":"needs a moon\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
`,
			says: []string{"needs a moon"},
			err:  "1 skipped: make them run, or remove them",
		},
		{
			name: "did not build",
			input: `{"ImportPath":"p","Action":"build-output","Output":"x.go:1: syntax error\n"}
{"Action":"fail","Package":"p","Elapsed":0,"FailedBuild":"p"}
`,
			says: []string{"syntax error", "fail p"},
			err:  "1 failed",
		},
		{name: "not JSON", input: "go: no module\n", says: []string{"go: no module"}, err: "no test ran"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			err := report(strings.NewReader(tt.input), &out)
			if got := errorText(err); got != tt.err {
				t.Errorf("error %q, want %q", got, tt.err)
			}
			for _, s := range tt.says {
				if !strings.Contains(out.String(), s) {
					t.Errorf("output lacks %q:\n%s", s, out.String())
				}
			}
			if strings.Contains(out.String(), "chatter") {
				t.Errorf("a passing test's output is shown:\n%s", out.String())
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
