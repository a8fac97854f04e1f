// Package setting checks structs of settings, whose fields are called by their tags for TOML. Names in errors are those of flags: the key rate in the
// table generator-adam is generator-adam-rate.
package setting

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
)

// OneOf returns an error if a setting has a value that is none of some. An empty one among these is no advice.
func OneOf(name, value string, values ...string) error {
	if slices.Contains(values, value) {
		return nil
	}
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
	list, last := strings.Join(values[:len(values)-1], ", "), values[len(values)-1]
	return fmt.Errorf("%s should be %s or %s, not %q", name, list, last, value)
}

// Numbers returns an error if a number in a struct of settings is negative, not finite, or a whole one above what 31 bits hold: products of two are numbers then.
func Numbers(settings any) error { return numbers("", reflect.ValueOf(settings)) }

func numbers(prefix string, v reflect.Value) error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := prefix + field.Tag.Get("toml")
		if field.Anonymous {
			name = prefix
		}
		if err := number(name, v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

func number(name string, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Struct:
		if name != "" {
			name += "-"
		}
		return numbers(name, v)
	case reflect.Slice:
		for i := range v.Len() {
			if err := number(name, v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Float64:
		if x := v.Float(); !(x >= 0) || math.IsInf(x, 0) {
			return fmt.Errorf("%s should be a finite number that is not negative, not %v", name, x)
		}
	case reflect.Int64: // of memory
		if v.Int() < 0 {
			return fmt.Errorf("%s should be a size such as 2GiB, not negative", name)
		}
	case reflect.Int:
		if x := v.Int(); x < 0 || x > math.MaxInt32 {
			return fmt.Errorf("%s should be from 0 to %d, not %d", name, math.MaxInt32, x)
		}
	}
	return nil
}

// Want says what kind of value the setting of a key takes; "" if there is none of that key.
func Want(settings any, key []string) string {
	t := find(reflect.TypeOf(settings), key)
	switch {
	case t == nil || len(key) == 0:
		return ""
	case t.Kind() == reflect.Int64: // of memory
		return "a size such as 2GiB or 500MB"
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Struct:
		return "a list, each " + kinds[t.Elem().Kind()]
	}
	return kinds[t.Kind()]
}

var kinds = map[reflect.Kind]string{reflect.Int: "a whole number", reflect.Uint64: "a whole number from 0 on", reflect.Float64: "a number", reflect.String: "a text", reflect.Bool: "true or false",
	reflect.Struct: "a table", reflect.Slice: "tables, each with names, rate and decay"}

// find returns the type of the value of a key.
func find(t reflect.Type, key []string) reflect.Type {
	if len(key) == 0 {
		return t
	}
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			if found := find(f.Type, key); found != nil {
				return found
			}
		} else if f.Tag.Get("toml") == key[0] {
			return find(f.Type, key[1:])
		}
	}
	return nil
}
