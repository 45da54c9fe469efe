// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Error is one thing that is wrong with a manifest. It wraps errors.ErrUnsupported when nothing is wrong with it
// but that Tapir doesn't do it.
type Error struct {
	File        string // "" when the object comes from no file
	Line        int    // from 1; 0 when unknown
	Object      string // kind and name; "" when the document could not be read that far
	Field       string // path in the object; "" when it is about the whole
	Detail      string
	Unsupported bool
}

func (e *Error) Error() string {
	s := e.Detail
	if e.Field != "" {
		s = e.Field + ": " + s
	}
	if e.Object != "" {
		s = e.Object + ": " + s
	}
	switch {
	case e.Line > 0:
		s = fmt.Sprintf("%s:%d: %s", e.File, e.Line, s)
	case e.File != "":
		s = e.File + ": " + s
	}
	return s
}

func (e *Error) Unwrap() error {
	if e.Unsupported {
		return errors.ErrUnsupported
	}
	return nil
}

// join makes one error of many, a line each, sorted by where they are.
func join(errs []*Error) error {
	slices.SortStableFunc(errs, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Object, b.Object), cmp.Compare(a.Field, b.Field))
	})
	joined := make([]error, len(errs))
	for i, e := range errs {
		joined[i] = e
	}
	return errors.Join(joined...)
}

// origin is where an object comes from. The zero value is an object that comes from no file.
type origin struct {
	file   string
	object string
	node   *yaml.Node // the document, with the lines of the file
}

// maxErrors is how many errors of an object are of use to anyone.
const maxErrors = 100

// errors says where in the file the fields are that list is about.
func (o origin) errors(list field.ErrorList) []*Error {
	errs := make([]*Error, min(len(list), maxErrors))
	for i, e := range list {
		if i == maxErrors {
			errs[i-1].Detail += fmt.Sprintf(" (and %d more in this object)", len(list)-maxErrors)
			break
		}
		errs[i] = &Error{File: o.file, Line: lineOf(o.node, e.Field), Object: o.object, Field: e.Field, Detail: e.ErrorBody()}
		if e.Type == field.ErrorTypeForbidden { // how this package notes what isn't supported
			errs[i].Detail, errs[i].Unsupported = e.Detail, true
		}
	}
	return errs
}
