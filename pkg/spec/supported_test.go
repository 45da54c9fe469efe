// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"encoding/json"
	"reflect"
	"slices"
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
	t.Run("host", func(t *testing.T) { testEveryField(t, false, vmiFields) })
	t.Run("cluster", func(t *testing.T) { testEveryField(t, true, slices.Concat(vmiFields, clusterFields)) })
}

func testEveryField(t *testing.T, cluster bool, fields []supportedField) {
	leaves := leavesOf(t, reflect.TypeFor[kubevirt.VirtualMachineInstanceSpec](), "", "", func(v any) any { return v })
	if len(leaves) < 400 {
		t.Fatalf("found %d fields only: does the walk miss some?", len(leaves))
	}
	for _, l := range leaves {
		text, err := json.Marshal(l.tree)
		if err != nil {
			t.Fatal(err)
		}
		m := &Machine{VMI: &kubevirt.VirtualMachineInstance{}, Cluster: cluster}
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
		if diff := cmp.Diff(refused(l, fields), got); diff != "" {
			t.Errorf("%s: refused paths (-want +got):\n%s", l.pattern, diff)
		}
	}
}

// refused is the path that a field must be refused by, going by the list alone.
func refused(l leaf, fields []supportedField) []string {
	patterns, paths := strings.Split(l.pattern, "."), strings.Split(strings.TrimPrefix(l.path, "."), ".")
	for i := range patterns {
		part := strings.TrimSuffix(strings.Join(patterns[:i+1], "."), "[]")
		if !onList(part, fields) {
			return []string{"spec." + strings.TrimSuffix(strings.Join(paths[:i+1], "."), "[0]")}
		}
	}
	return nil
}

func onList(part string, fields []supportedField) bool {
	for _, f := range fields {
		whole, isWhole := strings.CutSuffix(f.path, ".*")
		if isWhole && inside(part, whole) || inside(f.path, part) {
			return true
		}
	}
	return false
}

// inside says that a path is another one or leads on from it.
func inside(path, start string) bool {
	rest, ok := strings.CutPrefix(path, start)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// A misspelt entry would refuse what it means to support.
func TestListedFieldsExist(t *testing.T) {
	known := map[string]bool{
		// A map's keys are not in the type.
		"domain.resources.limits.cpu":      true,
		"domain.resources.limits.memory":   true,
		"domain.resources.requests.cpu":    true,
		"domain.resources.requests.memory": true,
	}
	for _, l := range leavesOf(t, reflect.TypeFor[kubevirt.VirtualMachineInstanceSpec](), "", "", func(v any) any { return v }) {
		known[l.pattern] = true
	}
	exists := func(whole string) bool {
		for pattern := range known {
			if inside(pattern, whole) {
				return true
			}
		}
		return false
	}
	for _, fields := range [][]supportedField{vmiFields, clusterFields} {
		for i, f := range fields {
			whole, isWhole := strings.CutSuffix(f.path, ".*")
			if !known[f.path] && (!isWhole || !exists(whole)) {
				t.Errorf("KubeVirt has no field %s", f.path)
			}
			if i > 0 && fields[i-1].path >= f.path {
				t.Errorf("%s is out of order", f.path)
			}
		}
	}
	for pattern := range advice {
		if clusterReach[pattern] {
			t.Errorf("%s is supported, and yet there is advice against it", pattern)
		}
	}
	for pattern := range hostAdvice {
		if vmiReach[pattern] || !clusterReach[pattern] {
			t.Errorf("%s is not what only a cluster has, and yet there is advice about it", pattern)
		}
	}
}
