// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tapir-vm/tapir/bench/report"
	"github.com/tapir-vm/tapir/internal/leftovers"
	"github.com/tapir-vm/tapir/internal/sandbox"
	"github.com/tapir-vm/tapir/pkg/datapath"
)

func TestBenchRefuses(t *testing.T) {
	t.Run("datapath", func(t *testing.T) {
		fails(t, command("bench", "--datapath", "tapir-tc,ovs"), `no datapath "ovs"`, "kubevirt-masquerade")
	})
	t.Run("load", func(t *testing.T) { fails(t, command("bench", "--load", "tcp"), `no load "tcp"`, "tcp-rr") })
	t.Run("user", func(t *testing.T) { fails(t, unprivileged(command("bench", "--quick")), "root") })
	t.Run("tool", func(t *testing.T) {
		cmd := command("bench", "--quick")
		cmd.Env = append(cmd.Env, "PATH=/nowhere")
		fails(t, cmd, "nftables")
	})
	t.Run("memory", func(t *testing.T) {
		sandbox.File(t, "/proc/meminfo", "MemAvailable: 100000 kB\n")
		fails(t, command("bench", "--quick"), "too little memory", "97 are free")
	})
	t.Run("place for results", func(t *testing.T) {
		fails(t, command("bench", "--quick", "--results", "/etc/passwd"), "/etc/passwd", "choose another")
	})
	t.Run("results", func(t *testing.T) {
		fails(t, command("bench", "check", "/none.json"), "/none.json")
		fails(t, command("bench", "compare", "/none.json", "/none.json"), "/none.json")
		fails(t, command("bench", "report", "/none.json"), "/none.json")
	})
}

// A run that is interrupted keeps what it has, marked, and leaves nothing on the host.
func TestBenchInterrupted(t *testing.T) {
	for _, s := range endSignals() {
		t.Run(s.String(), func(t *testing.T) { interruptBench(t, s) })
	}
}

func interruptBench(t *testing.T, signal os.Signal) {
	if _, err := datapath.Sweep(); err != nil { // makes the directories that stay
		t.Fatal(err)
	}
	leftovers.Check(t)
	results := t.TempDir()
	p := start(t, command("bench", "--quick", "--results", results, "--datapath", "tapir-tc,mirred"))
	p.wait(t, "number=2")
	if code := p.end(t, signal); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	kept, err := filepath.Glob(filepath.Join(results, "*-partial.json"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept %v, %v; want one partial run", kept, err)
	}
	r, err := report.Read(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	if r.Partial != "interrupted" || len(r.Series) == 0 {
		t.Errorf("partial %q with %d series", r.Partial, len(r.Series))
	}
}

// Results are kept also where nobody reads the table any more.
func TestBenchKeepsWithoutReader(t *testing.T) {
	results := t.TempDir()
	cmd := command("bench", "--quick", "--results", results, "--load", "udp-out", "--datapath", "mirred")
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	reader.Close()
	cmd.Stdout = writer
	_ = cmd.Run() // SIGPIPE ends it
	writer.Close()
	if kept, err := filepath.Glob(filepath.Join(results, "*.json")); err != nil || len(kept) != 1 {
		t.Errorf("kept %v, %v; want one run", kept, err)
	}
}

func TestBenchOutput(t *testing.T) {
	args := []string{"bench", "--quick", "--load", "udp-out", "--datapath", "tapir-tc,mirred,kubevirt-masquerade"}
	var r report.Report
	document := tapir(t, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(document), &r); err != nil {
		t.Fatal(err)
	}
	if f := r.Facts; f.Machine == "" || f.Kernel == "" || f.MemoryMiB == 0 || f.Revision == "" {
		t.Errorf("facts are missing in\n%s", document)
	}
	if s := r.Find("udp-out", "tapir-tc", "rate"); s == nil || len(s.Samples) != r.Rounds {
		t.Errorf("want a sample of each of %d rounds in\n%s", r.Rounds, document)
	}
	if table := tapir(t, args...); !strings.Contains(table, "/ kubevirt-masquerade") {
		t.Errorf("want ratios in\n%s", table)
	}
	file := filepath.Join(t.TempDir(), "r.json")
	if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	if page := tapir(t, "bench", "report", file); !strings.Contains(page, "<h3>udp-out</h3>") {
		t.Errorf("report says\n%s", page)
	}
	if got := tapir(t, "bench", "compare", file, file); !strings.Contains(got, "tapir-tc") {
		t.Errorf("compare says\n%s", got)
	}
}

// A red ratio fails the check; a yellow one warns.
func TestBenchCheck(t *testing.T) {
	results := func(p50 float64) string {
		var r report.Report
		for datapath, sample := range map[string]float64{"kubevirt-masquerade": 20, "tapir-tc": p50} {
			s := report.Series{Load: "tcp-rr", Datapath: datapath, Metric: report.Metric{Name: "p50", Unit: "µs"}}
			s.Add(sample)
			s.Add(sample)
			r.Series = append(r.Series, s)
		}
		file, err := os.Create(filepath.Join(t.TempDir(), "r.json"))
		if err == nil {
			err = errors.Join(r.WriteJSON(file), file.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		return file.Name()
	}
	t.Run("red", func(t *testing.T) { fails(t, command("bench", "check", results(30)), "1 ratios are red", "compare") })
	if table := tapir(t, "bench", "check", results(20)); !strings.Contains(table, "ratios: 1 yellow, 25 not measured") {
		t.Errorf("check says\n%s", table)
	}
}
