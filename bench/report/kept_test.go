// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// docs/performance.md says of the targets what the newest full run in bench/results found.
func TestDocsAgreeWithTheNewestRun(t *testing.T) {
	kept, err := filepath.Glob("../results/*Z.json") // dates sort; partial runs are called otherwise
	if err != nil || len(kept) == 0 {
		t.Fatalf("no run is kept: %v", err)
	}
	newest := kept[len(kept)-1]
	r, err := Read(newest)
	if err != nil {
		t.Fatal(err)
	}
	if r.Quick {
		t.Errorf("%s is of a quick run", newest)
	}
	text, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## The targets\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if !strings.Contains(section, filepath.Base(newest)) {
		t.Errorf("docs/performance.md doesn't name %s", newest)
	}
	rows := rowsOf(section)
	if len(rows) != len(targets) {
		t.Fatalf("docs/performance.md has %d targets, want %d", len(rows), len(targets))
	}
	for i, result := range r.Results() {
		for j, o := range result.Against {
			bound := targets[i].Against[o.Base].Target
			if got, err := strconv.ParseFloat(rows[i][2+2*j], 64); err != nil || got != bound {
				t.Errorf("%s against %s: the target is %s, want %v", result.Figure, o.Base, rows[i][2+2*j], bound)
			}
			if got, want := rows[i][1+2*j], inDocs(o); got != want {
				t.Errorf("%s against %s: docs/performance.md says %q, want %q", result.Figure, o.Base, got, want)
			}
		}
	}
}

// rowsOf are the cells of the table's rows, without its head.
func rowsOf(section string) (rows [][]string) {
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		var cells []string
		for _, cell := range strings.Split(strings.Trim(line, "| \n"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		rows = append(rows, cells)
	}
	return rows[min(1, len(rows)):]
}

// inDocs is a ratio as docs/performance.md has it: a met one in bold, the range alone where the rounds disagree.
func inDocs(o Outcome) string {
	bold := ""
	if o.Verdict == Met {
		bold = "**"
	}
	span := fmt.Sprintf("%.2f–%.2f", o.Ratio.Low, o.Ratio.High)
	if !o.Ratio.Steady {
		return bold + span + bold
	}
	return fmt.Sprintf("%s%.2f%s (%s)", bold, o.Ratio.Median, bold, span)
}
