// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tapir-vm/tapir/test/lab"
)

// The cluster of all tests, and what ends when somebody ends them.
var (
	cluster *lab.Lab
	session context.Context
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	var stop context.CancelFunc
	session, stop = signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	images, err := filepath.Glob("../../build/images/*.tar")
	if err == nil {
		cluster, err = lab.Up(session, lab.Config{
			Dir: "../../build/lab", Nodes: 2, DualStack: true, Images: images,
			Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer func() {
		if err := cluster.Down(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: take the lab down:", err)
			code = 1
		}
	}()
	if err := install(session); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	// Waiting takes no processor: more tests may wait at a time than there are.
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	code = m.Run()
	if err := checkNothingLeft(session); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return code
}

// image is the full name of one that hack/images.sh has made.
func image(t *testing.T, name string) string {
	t.Helper()
	tag, err := os.ReadFile("../../build/images/tag")
	if err != nil {
		t.Fatalf("%v: run make images", err)
	}
	return "localhost/" + name + ":" + strings.TrimSpace(string(tag))
}
