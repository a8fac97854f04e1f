package finetune

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gansr/gansr/finetune/internal/setting"
	"github.com/gansr/gansr/onnxio"
)

// SettingError says that a setting has a value that it does not take, or one that another excludes.
type SettingError struct{ Err error }

func (e SettingError) Error() string { return e.Err.Error() }
func (e SettingError) Unwrap() error { return e.Err }

// Check returns a SettingError if a training of these models should not have the settings: what New refuses, networks whose pictures it cannot give or take, and patterns of names that fit nothing, which is a
// mistake in writing. A critic or perceptual network that is nil is none.
func (c Config) Check(generator, critic, perceptual *onnxio.Model) error {
	if err := c.check(critic != nil, perceptual); err != nil {
		return err
	}
	if err := suits("generator", generator); err != nil {
		return SettingError{Err: err}
	}
	if critic != nil {
		if err := suits("critic", critic); err != nil {
			return SettingError{Err: err}
		}
	}
	if err := c.checkNames(generator, critic); err != nil {
		return SettingError{Err: fmt.Errorf("finetune: %w", err)}
	}
	return nil
}

func (c Config) check(critic bool, perceptual *onnxio.Model) error {
	err := c.CheckValues()
	if err == nil {
		err = c.checkLosses(critic, perceptual)
	}
	if err != nil {
		return SettingError{Err: fmt.Errorf("finetune: %w", err)}
	}
	return nil
}

// CheckValues returns an error if a setting has a value that none takes, whatever the models. It calls settings as flags are called: rate in
// the table generator-adam is generator-adam-rate.
func (c Config) CheckValues() error {
	if err := setting.Numbers(c); err != nil {
		return err
	}
	if err := c.Generator.check("generator-adam"); err != nil {
		return err
	}
	if err := c.Critic.check("critic-adam"); err != nil {
		return err
	}
	a := c.Adversarial
	switch {
	case c.Epochs == 0 && c.Batches == 0:
		return errors.New("epochs or batches should be positive")
	case c.Average >= 1:
		return fmt.Errorf("average should be a share from 0 to below 1, not %v", c.Average)
	case c.Guard.Content != 0 && c.Guard.Content <= 1:
		return fmt.Errorf("guard-content should be above 1, or 0 for no guard, not %v", c.Guard.Content)
	case c.Guard.Critic != 0 && c.Guard.Critic <= 1:
		return fmt.Errorf("guard-critic should be above 1, or 0 for no guard, not %v", c.Guard.Critic)
	case c.Guard.Colour > 1:
		return fmt.Errorf("guard-colour should be from 0 to 1, not %v", c.Guard.Colour)
	case c.Keep < 1:
		return errors.New("checkpoints should be 1 or more, not 0")
	case c.Patience < 1:
		return errors.New("patience should be 1 or more, not 0")
	case a.Kind == WassersteinPenalty && a.Penalty == 0:
		return fmt.Errorf("adversarial-penalty should be positive with %s, not 0", a.Kind)
	case a.Kind == WassersteinClip && a.Clip == 0:
		return fmt.Errorf("adversarial-clip should be positive with %s, not 0", a.Kind)
	case c.Alternation.Kind != "" && c.Alternation.N < 1:
		return errors.New("alternation-n should be 1 or more, not 0")
	}
	for _, err := range []error{
		setting.OneOf("batch-norm", c.BatchNorm, "batch", "running"),
		setting.OneOf("content-perceptual-distance", c.Content.PerceptualDistance, "l1", "l2", ""),
		setting.OneOf("adversarial-kind", a.Kind, WassersteinPenalty, WassersteinClip, Hinge, LeastSquares, Vanilla, RelativisticAverage, ""),
		setting.OneOf("alternation-kind", c.Alternation.Kind, PerBatch, Interleaved, ""),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func (o Optimiser) check(of string) error {
	switch {
	case o.Rate == 0:
		return fmt.Errorf("%s-rate should be positive, not 0", of)
	case o.Beta1 >= 1 || o.Beta2 >= 1:
		return fmt.Errorf("%s-beta1 and -beta2 should be from 0 to below 1, not %v and %v", of, o.Beta1, o.Beta2)
	case o.Epsilon == 0:
		return fmt.Errorf("%s-epsilon should be positive, not 0", of)
	}
	for _, g := range o.Groups {
		if len(g.Names) == 0 {
			return fmt.Errorf("%s-groups should have names, and one has none", of)
		}
	}
	return o.Schedule.check(of + "-schedule")
}

// checkLosses returns an error if losses lack what they are made of.
func (c Config) checkLosses(critic bool, perceptual *onnxio.Model) error {
	n := c.Content
	adversarial := c.Adversarial.Weight + n.Features
	switch {
	case n.Perceptual != 0 && perceptual == nil:
		return errors.New("the perceptual loss needs a network; give one, or weight 0")
	case !critic && adversarial != 0:
		return errors.New("adversarial and feature losses need a critic; give one, or weights 0")
	case critic && (c.Adversarial.Kind == "" || c.Alternation.Kind == ""):
		return errors.New("with a critic adversarial-kind and alternation-kind should be set")
	case n.L1+n.L2+n.Charbonnier+n.TotalVariation+n.Colour+n.Perceptual+adversarial == 0:
		return errors.New("content-l1 and all other losses have weight 0; the generator needs one to learn by")
	}
	if perceptual != nil && n.Perceptual != 0 {
		if have, want := len(n.PerceptualWeights), len(perceptual.Graph().Outputs); have != 0 && have != want {
			return fmt.Errorf("content-perceptual-weights should be one for each of %d layers, and there are %d", want, have)
		}
	}
	return nil
}

// checkNames returns an error if a pattern of names fits no constant of its model.
func (c Config) checkNames(generator, critic *onnxio.Model) error {
	check := func(name string, m *onnxio.Model, patterns []string) error {
		if m == nil {
			return nil
		}
		learned, running := m.Trainable()
		for _, p := range patterns {
			if !slices.ContainsFunc(slices.Concat(learned, running), pattern([]string{p})) {
				return fmt.Errorf("%s: no parameter is called %q; %d are there, such as %q", name, p, len(learned), first(learned))
			}
		}
		return nil
	}
	errs := []error{check("freeze", generator, c.Freeze)}
	if learned, _ := generator.Trainable(); !slices.ContainsFunc(learned, func(name string) bool { return !pattern(c.Freeze)(name) }) {
		errs = append(errs, fmt.Errorf("freeze: all %d parameters of the generator are frozen, and none is left to learn", len(learned)))
	}
	for _, g := range c.Generator.Groups {
		errs = append(errs, check("generator-adam-groups", generator, g.Names))
	}
	for _, g := range c.Critic.Groups {
		errs = append(errs, check("critic-adam-groups", critic, g.Names))
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}
