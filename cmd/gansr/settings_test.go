package main

import "testing"

// Every setting has a flag that is explained, and that takes the text that it shows.
func TestSettingsFlags(t *testing.T) {
	f := newSettingsFlags()
	n := 0
	for name, s := range settings(&f.given) {
		n++
		if name == "" || s.comment == "" {
			t.Errorf("flag %q has the explanation %q", name, s.comment)
		}
		flag := f.Lookup(name)
		text := flag.Value.String()
		if flag.Value.Type() == (settingValue{s.value}).Type() && text != "" {
			if err := f.Set(name, text); err != nil || flag.Value.String() != text {
				t.Errorf("--%s %q: %v, and then %q", name, text, err, flag.Value.String())
			}
		}
	}
	if n < 60 {
		t.Errorf("%d settings have flags", n)
	}
	for name, text := range map[string]string{"patch": "1.5", "seed": "-1", "average": "much", "flips": "perhaps", "content-perceptual-weights": "1,b",
		"generator-adam-groups": "rate=2", "critic-adam-groups": "speed=2 a"} {
		if err := newSettingsFlags().Set(name, text); err == nil {
			t.Errorf("--%s %q is taken", name, text)
		}
	}
}
