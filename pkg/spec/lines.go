// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// step is one step of a path as field.Path prints it: a name, or an index or key in brackets.
var step = regexp.MustCompile(`\[[^\]]*\]|[^.\[\]]+`)

// lineOf returns the line of the field at path, or of the last of its parents that is there; 0 without a document.
func lineOf(node *yaml.Node, path string) int {
	if node == nil {
		return 0
	}
	line := node.Line
	for _, s := range step.FindAllString(path, -1) {
		key, value := child(node, strings.Trim(s, "[]"))
		if value == nil {
			break
		}
		line, node = key.Line, value
	}
	return line
}

// child finds what a mapping has under a key, or a sequence at an index, and the node that stands for it in the text.
func child(node *yaml.Node, name string) (key, value *yaml.Node) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == name {
				return node.Content[i], node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(name); err == nil && 0 <= i && i < len(node.Content) {
			return node.Content[i], node.Content[i]
		}
	}
	return nil, nil
}
