// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSave(t *testing.T) {
	r := sample()
	r.Partial = "interrupted"
	directory := filepath.Join(t.TempDir(), "new")
	if err := Prepare(directory); err != nil {
		t.Fatal(err)
	}
	stem, err := r.Save(directory)
	if err != nil {
		t.Fatal(err)
	}
	if want := "2026-11-23T160000Z-partial"; filepath.Base(stem) != want {
		t.Errorf("got %s, want %s", stem, want)
	}
	back, err := Read(stem + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back); diff != "" {
		t.Error(diff)
	}
	lines, err := os.ReadFile(stem + ".csv")
	if err != nil || bytes.Count(lines, []byte("\n")) != 1+15 {
		t.Errorf("want a header and a line for each sample: %v\n%s", err, lines)
	}
	html, err := os.ReadFile(stem + ".html")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Partial results: interrupted", "packets &lt;64 B&gt;", "×0.75"} {
		if !bytes.Contains(html, []byte(want)) {
			t.Errorf("want %q in the page", want)
		}
	}
	_, svg, _ := strings.Cut(string(html), "<svg")
	svg, _, _ = strings.Cut("<svg"+svg, "</svg>")
	if err := xml.Unmarshal([]byte(svg+"</svg>"), new(struct{})); err != nil {
		t.Errorf("the chart isn't well-formed: %v", err)
	}
}

// The page tells what is met, opens what targets are about, and draws nothing out of its bounds.
func TestPage(t *testing.T) {
	r := sample()
	r.Loads = append(r.Loads, Item{"extra", "of no target"})
	r.Series = append(r.Series,
		series("extra", "tapir-tc", Metric{Name: "loss", Unit: "%"}, 0, 0),
		series("extra", "tapir-tc", Metric{Name: "p99.9", Unit: "µs"}, 1, 1))
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, want := range []string{
		"Targets: 3 met, 23 not measured",
		`<details open><summary><h3>udp-in</h3>`,
		`<details><summary><h3>extra</h3>`,
		`<td class="median"><span class="unsteady">unsteady</span></td><td class="spread">0.5–1</td>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("want %q in the page", want)
		}
	}
	for _, unwanted := range []string{"NaN", "p99.9"} {
		if strings.Contains(page, unwanted) {
			t.Errorf("%q is in the page", unwanted)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	for name, text := range map[string]string{
		"a table": "load,datapath\n", "another document": `{"kind": "List"}`, "a series without samples": `{"series": [{"load": "l"}]}`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want an error about %s", name, err, path)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v, want %v", err, fs.ErrNotExist)
	}
}
