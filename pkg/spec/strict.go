// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kubevirt "kubevirt.io/api/core/v1"
)

// kubevirtTypes is where the types live that decode themselves although they are plain structs inside.
var kubevirtTypes = reflect.TypeFor[kubevirt.VirtualMachineInstance]().PkgPath()

// strict compares a document with the type that it is going to be decoded into: a field that the type doesn't have and a
// value of another kind are errors. Values are left out of them, they may be secret.
func strict(path *field.Path, t reflect.Type, value any) field.ErrorList {
	if value == nil {
		return nil
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch kind := t.Kind(); {
	case opaque(t):
		return strictScalar(path, t, value)
	case kind == reflect.Struct:
		return strictStruct(path, t, value)
	case kind == reflect.Map:
		return strictMap(path, t, value)
	case kind == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		return strictList(path, t, value)
	default:
		return strictScalar(path, t, value)
	}
}

func strictStruct(path *field.Path, t reflect.Type, value any) field.ErrorList {
	object, ok := value.(map[string]any)
	if !ok {
		return wrongKind(path, "must be a map")
	}
	known := fieldsOf(t)
	var errs field.ErrorList
	for _, name := range slices.Sorted(maps.Keys(object)) {
		at := path.Child(name)
		if fieldType, ok := known[name]; ok {
			errs = append(errs, strict(at, fieldType, object[name])...)
		} else {
			errs = append(errs, field.Invalid(at, field.OmitValueType{}, "there is no such field"))
		}
	}
	return errs
}

func strictMap(path *field.Path, t reflect.Type, value any) field.ErrorList {
	object, ok := value.(map[string]any)
	if !ok {
		return wrongKind(path, "must be a map")
	}
	var errs field.ErrorList
	for _, key := range slices.Sorted(maps.Keys(object)) {
		errs = append(errs, strict(path.Key(key), t.Elem(), object[key])...)
	}
	return errs
}

func strictList(path *field.Path, t reflect.Type, value any) field.ErrorList {
	list, ok := value.([]any)
	if !ok {
		return wrongKind(path, "must be a list")
	}
	var errs field.ErrorList
	for i, element := range list {
		errs = append(errs, strict(path.Index(i), t.Elem(), element)...)
	}
	return errs
}

// strictScalar leaves it to the type to decode what has no fields.
func strictScalar(path *field.Path, t reflect.Type, value any) field.ErrorList {
	text, err := json.Marshal(value)
	if err != nil || t == quantity && !quantityFormat.Match(text) || json.Unmarshal(text, reflect.New(t).Interface()) != nil {
		return wrongKind(path, want(t))
	}
	return nil
}

// A Quantity's own decoder computes for hours on an exponent of nine digits.
var (
	quantity       = reflect.TypeFor[resource.Quantity]()
	quantityFormat = regexp.MustCompile(`^"?[-+]?[0-9.]{1,32}([eE][-+]?[0-9]{1,2}|[A-Za-z]{0,2})"?$`)
)

// opaque says that a type decodes itself in a way of its own, such as a Quantity.
func opaque(t reflect.Type) bool {
	if t.PkgPath() == kubevirtTypes && t.Kind() == reflect.Struct {
		return false
	}
	pointer := reflect.PointerTo(t)
	return pointer.Implements(reflect.TypeFor[json.Unmarshaler]()) || pointer.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// fieldsOf returns the fields that JSON knows in a struct, by the names that it knows them by.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case name != "":
			fields[name] = f.Type
		case f.Anonymous:
			embedded := f.Type
			if embedded.Kind() == reflect.Pointer {
				embedded = embedded.Elem()
			}
			maps.Copy(fields, fieldsOf(embedded))
		default:
			fields[f.Name] = f.Type
		}
	}
	return fields
}

func wrongKind(path *field.Path, want string) field.ErrorList {
	return field.ErrorList{field.TypeInvalid(path, field.OmitValueType{}, want)}
}

func want(t reflect.Type) string {
	if t == quantity {
		return "must be a quantity, such as 1Gi"
	}
	switch t.Kind() {
	case reflect.String:
		return "must be text: put it in quotes"
	case reflect.Bool:
		return "must be true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "must be a whole number"
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		return "must be a whole number that is not negative"
	case reflect.Slice:
		return "must be base64"
	default:
		return "must be a " + t.Name()
	}
}
