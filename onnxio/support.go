package onnxio

import (
	"maps"
	"slices"
	"strings"

	"github.com/gansr/gansr/graph"
)

// entry is what the registry knows of an operator.
type entry struct {
	translate   operator
	first, last int // the versions of its domain that have it
	types       types
	gradient    Gradient
}

// types is a set of element types, a bit each.
type types uint32

func of(list ...graph.DType) types {
	t := types(0)
	for _, dt := range list {
		t |= 1 << dt
	}
	return t
}

func (t types) has(dt graph.DType) bool { return t&(1<<dt) != 0 }

const (
	floatTypes    types = 1<<graph.Float32 | 1<<graph.Float64 | 1<<graph.Float16 | 1<<graph.BFloat16
	signedTypes   types = 1<<graph.Int8 | 1<<graph.Int16 | 1<<graph.Int32 | 1<<graph.Int64
	unsignedTypes types = 1<<graph.Uint8 | 1<<graph.Uint16 | 1<<graph.Uint32 | 1<<graph.Uint64
	boolType      types = 1 << graph.Bool
	narrowTypes   types = 1<<(graph.Int2+1) - 1<<graph.Float8E4M3FN
	intTypes            = signedTypes | unsignedTypes
	numberTypes         = floatTypes | intTypes
	allTypes            = numberTypes | boolType | narrowTypes
)

// typeGroups name sets of types, the larger first.
var typeGroups = []struct {
	name  string
	types types
}{{"all", allTypes}, {"numbers", numberTypes}, {"integers", intTypes}, {"floats", floatTypes}, {"signed", signedTypes}, {"unsigned", unsignedTypes}, {"bool", boolType}, {"narrow", narrowTypes}}

// String lists groups, and then single types that are in none of them.
func (t types) String() string {
	var names []string
	for _, g := range typeGroups {
		if t&g.types == g.types {
			names = append(names, g.name)
			t &^= g.types
		}
	}
	for dt := graph.Float32; dt <= graph.Int2; dt++ {
		if t.has(dt) {
			names = append(names, dt.String())
		}
	}
	return strings.Join(names, ", ")
}

// Gradient says whether results of an operator can be differentiated.
type Gradient string

// What there is of gradients. Operands that decide shapes are constants to the gradient, as they are to the graph.
const (
	GradientYes  Gradient = "yes"     // with respect to every floating-point operand
	GradientPart Gradient = "in part" // in some modes
	GradientZero Gradient = "zero"    // results are no floating-point numbers, or do not change with small changes of the operands
	GradientNo   Gradient = "no"
)

// Support is what this package can do of an operator.
type Support struct {
	Name        string // with the domain in front if it is not ONNX's own
	First, Last int    // the versions of the domain's operators that have it; of ONNX's, those from 7 to MaxOpset are run
	// Types are the element types of the data that the operator works on (its first operand, the second of Where, the values of OneHot, the
	// result of operators that make a tensor). They are names of types and of groups of them: "floats" are float16, bfloat16, float32 and float64,
	// "signed" and "unsigned" the integers of 8 to 64 bits, "integers" both, "numbers" those and floats, "narrow" the types of
	// 2 to 8 bits that are only stored and converted, and "all" everything.
	Types    string
	Gradient Gradient
}

// Operators lists the operators that can be run, sorted by name.
func Operators() []Support {
	var list []Support
	for _, name := range slices.Sorted(maps.Keys(registry)) {
		e := registry[name]
		list = append(list, Support{name, e.first, e.last, e.types.String(), e.gradient})
	}
	return list
}

// Refusal is an operator that ONNX defines and this package does not run.
type Refusal struct{ Name, Reason string }

// Refused lists the operators of ONNX that cannot be run, sorted by name. With those of Operators they are all that ONNX has.
func Refused() []Refusal {
	var list []Refusal
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		list = append(list, Refusal{name, refused[name]})
	}
	return list
}

const (
	random    = "its result is random, so that neither tiles nor two runs would agree"
	text      = "tensors of strings are not supported"
	classical = "classical machine learning on tables is not supported, only networks on images"
	optimiser = "training is the work of gansr finetune, which has optimisers of its own"
)

// refusedDomains have the reason for all operators of a domain.
var refusedDomains = map[string]string{
	"com.microsoft.nchwc": "they are ONNX Runtime's for the CPU that wrote the file; save the model optimised at level extended at most",
}

// refused has the reason for each operator of ONNX that is not in the registry.
var refused = map[string]string{
	"Bernoulli":         random,
	"ImageDecoder":      "a network is given pixels, and gansr upscale decodes files",
	"MaxRoiPool":        "it is an older RoiAlign of detectors, in whole pixels",
	"Multinomial":       random,
	"RandomNormal":      random,
	"RandomNormalLike":  random,
	"RandomUniform":     random,
	"RandomUniformLike": random,
	"RegexFullMatch":    text,
	"StringConcat":      text,
	"StringNormalizer":  text,
	"StringSplit":       text,
	"TfIdfVectorizer":   "it counts words of texts, which no network on images does",

	"ai.onnx.ml.ArrayFeatureExtractor":  classical,
	"ai.onnx.ml.Binarizer":              classical,
	"ai.onnx.ml.CastMap":                classical,
	"ai.onnx.ml.CategoryMapper":         classical,
	"ai.onnx.ml.DictVectorizer":         classical,
	"ai.onnx.ml.FeatureVectorizer":      classical,
	"ai.onnx.ml.Imputer":                classical,
	"ai.onnx.ml.LabelEncoder":           classical,
	"ai.onnx.ml.LinearClassifier":       classical,
	"ai.onnx.ml.LinearRegressor":        classical,
	"ai.onnx.ml.Normalizer":             classical,
	"ai.onnx.ml.OneHotEncoder":          classical,
	"ai.onnx.ml.SVMClassifier":          classical,
	"ai.onnx.ml.SVMRegressor":           classical,
	"ai.onnx.ml.Scaler":                 classical,
	"ai.onnx.ml.TreeEnsemble":           classical,
	"ai.onnx.ml.TreeEnsembleClassifier": classical,
	"ai.onnx.ml.TreeEnsembleRegressor":  classical,
	"ai.onnx.ml.ZipMap":                 classical,

	"ai.onnx.preview.training.Adagrad":  optimiser,
	"ai.onnx.preview.training.Adam":     optimiser,
	"ai.onnx.preview.training.Momentum": optimiser,
}
