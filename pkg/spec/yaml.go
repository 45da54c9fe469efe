// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	yamlnode "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// document is one YAML document of a stream.
type document struct {
	text  []byte
	lines int // that precede it in the stream
}

// split cuts a stream at its document markers (YAML 1.2 section 9.1.2), which stay with what follows them.
func split(stream []byte) []document {
	var docs []document
	line, start, lines := 0, 0, 0
	for at := 0; at < len(stream); line++ {
		end := len(stream)
		if n := bytes.IndexByte(stream[at:], '\n'); n >= 0 {
			end = at + n + 1
		}
		if rest, ok := bytes.CutPrefix(stream[at:end], []byte("---")); ok && (len(rest) == 0 || strings.ContainsRune(" \t\r\n", rune(rest[0]))) {
			if at > 0 {
				docs = append(docs, document{stream[start:at], lines})
			}
			start, lines = at, line
		}
		at = end
	}
	return append(docs, document{stream[start:], lines})
}

// parse returns the document as nodes, which know their lines in the stream, and as what JSON has for values:
// map[string]any, []any, string, json.Number, bool and nil. Both are nil for a document without content.
func (d document) parse() (*yamlnode.Node, any, error) {
	if !utf8.Valid(d.text) {
		return nil, nil, errors.New("is not UTF-8")
	}
	decoder := yamlnode.NewDecoder(bytes.NewReader(d.text))
	var root, second yamlnode.Node
	switch err := decoder.Decode(&root); {
	case err == io.EOF:
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	case decoder.Decode(&second) != io.EOF:
		return nil, nil, errors.New(`has more after its end: start a document with "---"`)
	}
	if _, err := written(&root, map[*yamlnode.Node]int{}); err != nil {
		return nil, nil, err
	}
	node := root.Content[0]
	shift(node, d.lines)

	// The library of Kubernetes gives values the meaning that kubectl gives them (YAML 1.1), and refuses duplicate keys.
	text, err := yaml.YAMLToJSONStrict(d.text)
	if err != nil {
		return nil, nil, err
	}
	var value any
	numbers := json.NewDecoder(bytes.NewReader(text))
	numbers.UseNumber() // a float64 would round a large integer
	if err := numbers.Decode(&value); err != nil {
		return nil, nil, err
	}
	if value == nil {
		return nil, nil, nil
	}
	return node, value, nil
}

// written returns the size of a node with its aliases written out: a few bytes of aliases can stand for gigabytes.
func written(node *yamlnode.Node, known map[*yamlnode.Node]int) (int, error) {
	const open = -1
	switch size, ok := known[node]; {
	case ok && size == open:
		return 0, fmt.Errorf("line %d: alias stands for something that it is part of", node.Line)
	case ok:
		return size, nil
	}
	known[node] = open
	size := len(node.Value) + 1
	parts := node.Content
	if node.Kind == yamlnode.AliasNode {
		parts = []*yamlnode.Node{node.Alias}
	}
	for _, part := range parts {
		n, err := written(part, known)
		if err != nil {
			return 0, err
		}
		if size += n; size > maxBytes {
			return 0, fmt.Errorf("line %d: with aliases written out there are more than %d bytes", node.Line, maxBytes)
		}
	}
	known[node] = size
	return size, nil
}

// shift moves a document's lines to where they are in the stream.
func shift(node *yamlnode.Node, lines int) {
	node.Line += lines
	for _, c := range node.Content {
		shift(c, lines)
	}
}

// atLine is how the YAML libraries say where.
var atLine = regexp.MustCompile(`line (\d+): (.+)`)

// errors takes an error of parse apart: the libraries put one or more lines of text into it, and count from
// the document's start.
func (d document) errors(file string, err error) []*Error {
	var errs []*Error
	for _, m := range atLine.FindAllStringSubmatch(err.Error(), -1) {
		if n, err := strconv.Atoi(m[1]); err == nil {
			errs = append(errs, &Error{File: file, Line: n + d.lines, Detail: m[2]})
		}
	}
	if errs == nil {
		errs = []*Error{{File: file, Line: d.lines + 1, Detail: strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	return errs
}
