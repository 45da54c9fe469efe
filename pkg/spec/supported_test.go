// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kubevirt "kubevirt.io/api/core/v1"
)

// leaf is a field of an API type, of which no fields are set if it has any.
type leaf struct {
	pattern string // as in vmiFields
	path    string // of the first element, where the pattern has lists
	tree    any    // an object in which it is all that is set
}

// leavesOf returns every field that can be set in a type, and every part that can be there without a field.
// wrap puts one into what surrounds it.
func leavesOf(t *testing.T, typ reflect.Type, pattern, path string, wrap func(any) any) []leaf {
	t.Helper()
	var leaves []leaf
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
		if typ.Kind() == reflect.Struct && !opaque(typ) && typ.NumField() > 0 {
			leaves = append(leaves, leaf{pattern, path, wrap(map[string]any{})})
		}
	}
	if value, ok := sample(typ); ok {
		return []leaf{{pattern, path, wrap(value)}}
	}
	switch typ.Kind() {
	case reflect.Struct:
		for name, inner := range fieldsOf(typ) {
			set := func(v any) any { return wrap(map[string]any{name: v}) }
			leaves = append(leaves, leavesOf(t, inner, strings.TrimPrefix(pattern+"."+name, "."), path+"."+name, set)...)
		}
	case reflect.Slice:
		return leavesOf(t, typ.Elem(), pattern+"[]", path+"[0]", func(v any) any { return wrap([]any{v}) })
	case reflect.Map:
		return leavesOf(t, typ.Elem(), pattern+".key", path+".key", func(v any) any { return wrap(map[string]any{"key": v}) })
	default:
		t.Fatalf("%s: no sample for a %v", path, typ)
	}
	return leaves
}

// sample is a value that isn't empty for a type without fields.
func sample(t reflect.Type) (any, bool) {
	switch t {
	case reflect.TypeFor[resource.Quantity]():
		return "1", true
	case reflect.TypeFor[metav1.Time]():
		return "2024-01-01T00:00:00Z", true
	case reflect.TypeFor[intstr.IntOrString]():
		return 1, true
	}
	switch t.Kind() {
	case reflect.String:
		return "x", true
	case reflect.Bool:
		return true, true
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint32, reflect.Uint64:
		return 1, true
	case reflect.Struct:
		return map[string]any{}, t.NumField() == 0
	}
	return nil, false
}

// Every field that KubeVirt's type has is either on the list or refused, by the path of the first part that isn't.
func TestEveryFieldIsSupportedOrRefused(t *testing.T) {
	leaves := leavesOf(t, reflect.TypeFor[kubevirt.VirtualMachineInstanceSpec](), "", "", func(v any) any { return v })
	if len(leaves) < 400 {
		t.Fatalf("found %d fields only: does the walk miss some?", len(leaves))
	}
	for _, l := range leaves {
		text, err := json.Marshal(l.tree)
		if err != nil {
			t.Fatal(err)
		}
		m := &Machine{VMI: &kubevirt.VirtualMachineInstance{}}
		if err := json.Unmarshal(text, &m.VMI.Spec); err != nil {
			t.Fatalf("%s: %v", l.pattern, err)
		}
		if errs := strict(field.NewPath("spec"), reflect.TypeOf(m.VMI.Spec), tree(l.tree)); errs != nil {
			t.Errorf("%s: the structure is refused: %v", l.pattern, errs)
		}
		var got []string
		for _, e := range m.unsupported(field.NewPath("spec")) {
			got = append(got, e.Field)
		}
		if diff := cmp.Diff(refused(l), got); diff != "" {
			t.Errorf("%s: refused paths (-want +got):\n%s", l.pattern, diff)
		}
	}
}

// refused is the path that a field must be refused by, going by the list alone.
func refused(l leaf) []string {
	patterns, paths := strings.Split(l.pattern, "."), strings.Split(strings.TrimPrefix(l.path, "."), ".")
	for i := range patterns {
		part := strings.TrimSuffix(strings.Join(patterns[:i+1], "."), "[]")
		if !onList(part) {
			return []string{"spec." + strings.TrimSuffix(strings.Join(paths[:i+1], "."), "[0]")}
		}
	}
	return nil
}

func onList(part string) bool {
	for _, f := range vmiFields {
		if rest, ok := strings.CutPrefix(f.path, part); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// A misspelt entry would refuse what it means to support.
func TestListedFieldsExist(t *testing.T) {
	known := map[string]bool{
		// A map's keys are not in the type.
		"domain.resources.requests.cpu":    true,
		"domain.resources.requests.memory": true,
	}
	for _, l := range leavesOf(t, reflect.TypeFor[kubevirt.VirtualMachineInstanceSpec](), "", "", func(v any) any { return v }) {
		known[l.pattern] = true
	}
	for i, f := range vmiFields {
		if !known[f.path] {
			t.Errorf("KubeVirt has no field %s", f.path)
		}
		if i > 0 && vmiFields[i-1].path >= f.path {
			t.Errorf("%s is out of order", f.path)
		}
	}
	for pattern := range advice {
		if vmiReach[pattern] {
			t.Errorf("%s is supported, and yet there is advice against it", pattern)
		}
	}
}
