// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// event is a line of `go test -json`: see `go doc test2json` and `go help buildjson`.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64 // seconds
}

type test struct{ pkg, name string }

// tally holds what each test has said so far, and how the run went.
type tally struct {
	output                  map[test]*strings.Builder
	passed, failed, skipped int
	perPackage              map[string]int
}

// report copies the gist of a test run to w. It fails when a test or a package failed, a test was
// skipped, or nothing ran at all.
func report(r io.Reader, w io.Writer) error {
	t := tally{output: map[test]*strings.Builder{}, perPackage: map[string]int{}}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				_, _ = w.Write(line) // what go itself says is no JSON
			} else {
				t.add(e, w)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read test output: %w", err)
		}
	}
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipped)
	switch {
	case t.failed > 0:
		return fmt.Errorf("%d failed", t.failed)
	case t.skipped > 0:
		return fmt.Errorf("%d skipped: make them run, or remove them", t.skipped)
	case t.passed == 0:
		return errors.New("no test ran")
	}
	return nil
}

func (t *tally) add(e event, w io.Writer) {
	id := test{e.Package, e.Test}
	switch e.Action {
	case "start":
		fmt.Fprintln(w, "run ", e.Package)
	case "build-output":
		fmt.Fprint(w, e.Output)
	case "output":
		if t.output[id] == nil {
			t.output[id] = &strings.Builder{}
		}
		t.output[id].WriteString(e.Output)
	case "pass", "fail", "skip":
		t.end(id, e, w)
	}
}

func (t *tally) end(id test, e event, w io.Writer) {
	defer delete(t.output, id)
	if id.name == "" { // the package as a whole; "skip" says that it has no tests
		if e.Action == "fail" {
			t.failed++
			t.print(id, w)
		}
		if e.Action != "skip" {
			fmt.Fprintf(w, "%s %s: %d tests, %.1f s\n", e.Action, id.pkg, t.perPackage[id.pkg], e.Elapsed)
		}
		return
	}
	t.perPackage[id.pkg]++
	switch e.Action {
	case "pass":
		t.passed++
	case "fail":
		t.failed++
		t.print(id, w)
	case "skip":
		t.skipped++
		t.print(id, w)
	}
}

func (t *tally) print(id test, w io.Writer) {
	if out := t.output[id]; out != nil {
		fmt.Fprint(w, out.String())
	}
}
