package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gansr/gansr/finetune"
	"github.com/gansr/gansr/finetune/tune"
)

// settingsFlags are flags for all of tune's settings, made from the tags that name and explain them in files: the key rate in the table
// generator-adam is the flag --generator-adam-rate.
type settingsFlags struct {
	*pflag.FlagSet
	given tune.Settings // what the flags that are given say; the values of the preset photo where they are not
}

func newSettingsFlags() *settingsFlags {
	f := &settingsFlags{FlagSet: pflag.NewFlagSet("settings", pflag.ContinueOnError), given: tune.Photo()}
	for name, s := range settings(&f.given) {
		f.Var(settingValue{s.value}, name, s.comment)
		if s.value.Kind() == reflect.Bool {
			f.Lookup(name).NoOptDefVal = "true"
		}
	}
	return f
}

// apply sets those of s for which a flag is given.
func (f *settingsFlags) apply(s *tune.Settings) {
	given := map[string]setting{}
	for name, s := range settings(&f.given) {
		given[name] = s
	}
	for name, into := range settings(s) {
		if f.Changed(name) {
			into.value.Set(given[name].value)
		}
	}
}

// idle returns an error if a flag is given that has no effect beside the options.
func (f *settingsFlags) idle(o tune.Options) error {
	pairs, alone := o.LR != "" || o.HR != "", o.CriticNetwork == "none"
	for _, rule := range []struct {
		holds bool
		flags []string // a "-" at the end stands for all that begin so
		why   string
	}{
		{o.Batches > 0, []string{"epochs"}, fmt.Sprintf("batches are %d and count in their place; --batches 0 lets epochs count", o.Batches)},
		{pairs, []string{"downscale", "degrade"}, "the pairs of --lr and --hr stay as they are"},
		{o.Degrade != "none", []string{"downscale"}, fmt.Sprintf("--degrade %s reduces photos in its own way; --degrade none leaves them undamaged", o.Degrade)},
		{alone, []string{"adversarial-", "alternation-", "critic-adam-", "content-features", "guard-critic"}, "there is no critic (--critic none)"},
		{o.Content.Perceptual == 0, []string{"content-perceptual-", "perceptual-layers"}, "the perceptual loss has no weight (--content-perceptual)"},
	} {
		for flag, s := range settings(&o.Settings) {
			named := slices.ContainsFunc(rule.flags, func(name string) bool {
				return flag == name || strings.HasSuffix(name, "-") && strings.HasPrefix(flag, name)
			})
			if rule.holds && named && f.Changed(flag) && !s.value.IsZero() {
				return fmt.Errorf("--%s has no effect: %s", flag, rule.why)
			}
		}
	}
	return nil
}

// hide leaves the flags out of usage texts, or not.
func (f *settingsFlags) hide(hidden bool) {
	f.VisitAll(func(flag *pflag.Flag) { flag.Hidden = hidden })
}

// setting is a value in a struct of settings.
type setting struct {
	value   reflect.Value
	comment string
}

// settings yields those of s, by the names of their flags.
func settings(s *tune.Settings) func(yield func(string, setting) bool) {
	return func(yield func(string, setting) bool) { walk(reflect.ValueOf(s).Elem(), "", yield) }
}

func walk(v reflect.Value, prefix string, yield func(string, setting) bool) bool {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		name := prefix + field.Tag.Get("toml")
		switch {
		case field.Tag.Get("toml") == "-":
		case field.Anonymous:
			if !walk(value, prefix, yield) {
				return false
			}
		case value.Kind() == reflect.Struct:
			if !walk(value, name+"-", yield) {
				return false
			}
		case !yield(name, setting{value, field.Tag.Get("comment")}):
			return false
		}
	}
	return true
}

// settingValue makes a setting a flag's value.
type settingValue struct{ reflect.Value }

var _ pflag.Value = settingValue{}

// Set implements pflag.Value. A list is replaced, but groups, which contain spaces, add up.
func (s settingValue) Set(text string) error {
	switch v := s.Addr().Interface().(type) {
	case *string:
		*v = text
	case *[]string:
		*v = nil
		if text == "" {
			return nil
		}
		list, err := csv.NewReader(strings.NewReader(text)).Read()
		*v = list
		return err
	case *[]float64:
		*v = nil
		for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' }) {
			x, err := strconv.ParseFloat(word, 64)
			if err != nil {
				return errors.New("want numbers with commas between")
			}
			*v = append(*v, x)
		}
	case *[]finetune.Group:
		g, err := finetune.ParseGroup(text)
		*v = append(*v, g)
		return err
	case *bool:
		x, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("want true or false")
		}
		*v = x
	case *float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return errors.New("want a number")
		}
		*v = x
	case *int:
		x, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("want a whole number")
		}
		*v = x
	case *finetune.Bytes:
		return v.UnmarshalText([]byte(text))
	case *uint64:
		x, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return errors.New("want a whole number from 0 on")
		}
		*v = x
	default:
		return fmt.Errorf("settings of type %T have no flag", v)
	}
	return nil
}

// String implements pflag.Value.
func (s settingValue) String() string {
	if !s.IsValid() { // pflag asks a zero value
		return ""
	}
	switch v := s.Interface().(type) {
	case []string:
		return strings.Join(v, ",")
	case []float64:
		return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(v)), ","), "[]")
	case []finetune.Group:
		return ""
	default:
		return fmt.Sprint(v)
	}
}

// Type implements pflag.Value.
func (s settingValue) Type() string {
	switch s.Interface().(type) {
	case []string:
		return "TEXT,..."
	case []float64:
		return "NUMBER,..."
	case []finetune.Group:
		return `"rate=R decay=D NAME..."`
	case finetune.Bytes:
		return "SIZE"
	case string:
		return "TEXT"
	case bool:
		return "bool"
	}
	return "N"
}
