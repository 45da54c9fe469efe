// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

//go:generate go test -run ^TestFieldsDoc$ . -write

var write = flag.Bool("write", false, "write the tables of docs/fields.md instead of checking them")

const fieldsDoc = "../../docs/fields.md"

func TestFieldsDoc(t *testing.T) {
	text, err := os.ReadFile(fieldsDoc)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, fields := range map[string][]supportedField{"vm": vmFields, "vmi": vmiFields, "cluster": clusterFields} {
		begin, end := strings.Index(want, "<!-- "+name+":"), strings.Index(want, "<!-- /"+name+" -->")
		if begin < 0 || end < begin {
			t.Fatalf("%s has no place for the table %s", fieldsDoc, name)
		}
		begin += strings.Index(want[begin:], "\n") + 1
		want = want[:begin] + table(fields) + want[end:]
	}
	if *write {
		if err := os.WriteFile(fieldsDoc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("%s is out of date: run go generate ./pkg/spec", fieldsDoc)
	}
}

func table(fields []supportedField) string {
	var b strings.Builder
	b.WriteString("| field | |\n|---|---|\n")
	for _, f := range fields {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.path, f.meaning)
	}
	return b.String()
}
