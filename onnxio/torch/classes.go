package torch

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gansr/gansr/graph"
)

// inert are classes and functions that checkpoints name and that say nothing about weights. Their objects are kept as names with
// arguments. A name that ends in a dot stands for all of a module and those below it, one that ends in an asterisk for all that begin so.
var inert = strings.Fields(`
	argparse.Namespace types.SimpleNamespace easydict.EasyDict addict. omegaconf. yacs.config. ml_collections. box.
	pathlib. datetime. decimal.Decimal fractions.Fraction uuid.UUID enum. _codecs.encode copyreg. copy_reg.
	collections.Counter collections.deque collections.defaultdict collections.OrderedDict typing.
	builtins.set builtins.frozenset builtins.list builtins.dict builtins.tuple builtins.slice builtins.range builtins.complex
	builtins.bytearray builtins.bytes builtins.int builtins.float builtins.bool builtins.str builtins.object
	__builtin__.set __builtin__.frozenset __builtin__.list __builtin__.dict __builtin__.tuple __builtin__.slice __builtin__.object
	__builtin__.int __builtin__.float __builtin__.bool __builtin__.str __builtin__.unicode __builtin__.long __builtin__.complex
	numpy.dtype numpy.ndarray numpy.core.multiarray.scalar numpy.core.multiarray._reconstruct numpy.core.numeric._frombuffer
	numpy._core.multiarray.scalar numpy._core.multiarray._reconstruct numpy._core.numeric._frombuffer
	numpy.bool_ numpy.float16 numpy.float32 numpy.float64 numpy.int8 numpy.int16 numpy.int32 numpy.int64 numpy.uint8 numpy.uint16
	numpy.uint32 numpy.uint64 numpy.dtypes. numpy.random.
	torch.Size torch.device torch.dtype torch.Generator torch.memory_format torch.layout torch.Tensor torch.nn. torch.optim. torch.amp.
	torch.cuda.amp. torch.utils.hooks. torch.distributed. torch.serialization._get_layout torch.jit._pickle.
	torch._utils._rebuild_* torch._tensor._rebuild_from_type_v2 torch.storage. torch.nn.backends.
	torch.float torch.float16 torch.float32 torch.float64 torch.double torch.half torch.bfloat16 torch.int8 torch.int16 torch.int32 torch.int64
	torch.uint8 torch.uint16 torch.uint32 torch.uint64 torch.bool torch.long torch.int torch.short torch.float8_e4m3fn torch.float8_e5m2
	torch.strided torch.contiguous_format torch.channels_last torch.preserve_format
	pytorch_lightning. lightning. lightning_fabric. lightning_utilities. torchmetrics.`)

// known reports whether a class may be referred to.
func known(module, name string, script bool) bool {
	full := module + "." + name
	if script && strings.HasPrefix(full, "__torch__") {
		return true
	}
	if module == "torch" && storageTypes[name] != graph.Invalid {
		return true
	}
	return slices.ContainsFunc(inert, func(s string) bool {
		if prefix, ok := strings.CutSuffix(s, "*"); ok {
			s = prefix
			return strings.HasPrefix(full, s)
		}
		return full == s || strings.HasSuffix(s, ".") && strings.HasPrefix(full, s)
	})
}

// make returns an object of a class, or the result of a function that is known.
func (m *machine) make(callee, args any, isNew bool) (any, error) {
	c, ok := callee.(*class)
	if !ok {
		return nil, errors.New("the pickle calls something that is no class")
	}
	a, ok := args.(*list)
	if !ok {
		return nil, fmt.Errorf("the pickle calls %v without arguments", c)
	}
	full := c.module + "." + c.name
	switch full {
	case "copy_reg._reconstructor", "copyreg._reconstructor", "copyreg.__newobj__":
		if of, ok := at(a, 0).(*class); ok {
			return &object{class: of, args: args}, nil
		}
	case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2":
		return rebuild(a, graph.Invalid)
	case "torch._utils._rebuild_tensor_v3":
		of, _ := at(a, 6).(*class)
		if of == nil || of.module != "torch" || dtypes[of.name] == graph.Invalid {
			return &object{class: c, args: args}, nil // of a type that is not read
		}
		return rebuild(a, dtypes[of.name])
	case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state":
		return at(a, 0), nil
	case "torch._tensor._rebuild_from_type_v2":
		if inner, ok := at(a, 2).(*list); ok {
			return m.make(at(a, 0), inner, false)
		}
	case "collections.OrderedDict", "collections.defaultdict", "collections.Counter", "builtins.dict", "__builtin__.dict":
		d := &dict{}
		if pairs, ok := at(a, 0).(*list); ok { // of very old files
			for _, p := range pairs.items {
				if pair, ok := p.(*list); ok && len(pair.items) == 2 {
					d.set(pair.items[0], pair.items[1])
				}
			}
		}
		return d, nil
	case "torch.Size", "builtins.list", "builtins.tuple", "builtins.set", "builtins.frozenset", "__builtin__.set", "__builtin__.list":
		if inner, ok := at(a, 0).(*list); ok {
			return &list{slices.Clone(inner.items)}, nil
		}
		return &list{}, nil
	case "torch.jit._pickle.build_intlist", "torch.jit._pickle.build_doublelist", "torch.jit._pickle.build_boollist",
		"torch.jit._pickle.build_tensorlist", "torch.jit._pickle.restore_type_tag":
		return at(a, 0), nil
	}
	if !c.known && !isNew {
		return nil, refused(c)
	}
	return &object{class: c, args: args}, nil
}

// at returns an element of a list, nil beyond its end.
func at(l *list, i int) any {
	if i >= len(l.items) {
		return nil
	}
	return l.items[i]
}

// isModule reports whether an object has what instances of torch.nn.Module have.
func isModule(o *object) bool {
	d, ok := o.state.(*dict)
	if !ok {
		return false
	}
	_, ok = d.index["_modules"]
	_, ok2 := d.index["_parameters"]
	return ok && ok2
}
