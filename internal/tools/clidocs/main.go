// SPDX-License-Identifier: Apache-2.0

// Clidocs writes the reference of the commands into a directory: a Markdown page for each verb of tapir, and one for each program of
// the images.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra/doc"

	"github.com/tapir-vm/tapir/internal/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: clidocs DIRECTORY")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "clidocs:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	old, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		return err
	}
	for _, page := range old { // of verbs that are gone
		if err := os.Remove(page); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := doc.GenMarkdownTree(cli.New(), dir); err != nil {
		return err
	}
	for _, program := range programs {
		if err := writeProgram(dir, program); err != nil {
			return fmt.Errorf("describe %s: %w", program, err)
		}
	}
	return nil
}

// programs are those of the images. Nobody types their names: the chart gives them their arguments.
var programs = []string{"tapir-agent", "tapir-controller", "tapir-disk", "tapir-launcher"}

// writeProgram writes what a program says of itself, in its package comment and when asked for help.
func writeProgram(dir, program string) error {
	path := "github.com/tapir-vm/tapir/cmd/" + program
	built, err := os.MkdirTemp("", "clidocs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(built)
	// Built first: what go says of its downloads is no part of the help.
	if _, err := output("go", "build", "-o", built, path); err != nil {
		return err
	}
	synopsis, err := output("go", "list", "-f", "{{.Doc}}", path)
	if err != nil {
		return err
	}
	help, err := output(filepath.Join(built, program), "--help")
	if err != nil {
		return err
	}
	page := fmt.Sprintf("## %s\n\n%s\n\n```\n%s\n```\n", program, synopsis, help)
	return os.WriteFile(filepath.Join(dir, program+".md"), []byte(page), 0o644)
}

// output is all that a command writes, for some write their help to the one and some to the other stream.
func output(name string, args ...string) (string, error) {
	command := exec.Command(name, args...)
	command.Env = append(os.Environ(), "NODE_NAME=", "POD_NAMESPACE=") // they would be shown as defaults
	text, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", command, err, text)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "\t", "    "), nil
}
