"""Models of arithmetic, comparisons, activations and reductions, with the outputs of ONNX Runtime (PyTorch or numpy where
it says so).

Writes ops/math/NAME/{model.onnx,test_data_set_0/*.pb}; a model holds several applications of one operator. Needs numpy,
onnx, onnxruntime and torch:

    python ops_math.py
"""

import pathlib
import shutil

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper

ROOT = pathlib.Path(__file__).parent / "ops" / "math"
IR = {6: 3, 7: 3, 8: 3, 9: 4, 10: 5, 11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 22: 10, 24: 11}

nan, inf = np.nan, np.inf
FLOATS = (np.float32, np.float64)
INTS = (np.int8, np.int64, np.uint8, np.uint64)


class Call:
    """One application. want is a function of the inputs for what ONNX Runtime lacks; const inputs become initialisers."""

    def __init__(self, op, *inputs, want=None, const=(), **attrs):
        self.op, self.want, self.const, self.attrs = op, want, const, attrs
        self.inputs = [x if x is None or isinstance(x, np.ndarray) else np.array(x) for x in inputs]


def case(name, opset, *calls):
    nodes, feed, inits, outs = [], {}, [], []
    for i, c in enumerate(calls):
        names = []
        for k, x in enumerate(c.inputs):
            names.append("" if x is None else f"x{i}_{k}")
            if x is None:
                continue
            if k in c.const:
                inits.append(numpy_helper.from_array(x, names[k]))
                continue
            # Equal inputs are one input.
            same = [n for n, y in feed.items() if y.dtype == x.dtype and y.shape == x.shape and y.tobytes() == x.tobytes()]
            names[k] = same[0] if same else names[k]
            feed[names[k]] = x
        nodes.append(helper.make_node(c.op, names, [f"y{i}"], **c.attrs))
        outs.append(f"y{i}")
    info = lambda n, x: helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)

    def model(nodes, results):
        inputs = [info(n, x) for n, x in feed.items() if any(n in node.input for node in nodes)]
        known = [t for t in inits if any(t.name in node.input for node in nodes)]
        if opset < 9:
            inputs += [info(t.name, numpy_helper.to_array(t)) for t in known]
        g = helper.make_graph(nodes, name, inputs, results, known)
        return helper.make_model(g, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR[opset], producer_name="")

    got = {}
    run = [(n, o) for n, o, c in zip(nodes, outs, calls) if c.want is None]
    if run:
        m = model([n for n, _ in run], [onnx.ValueInfoProto(name=o) for _, o in run])
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(m.SerializeToString(), options, providers=["CPUExecutionProvider"])
        got = dict(zip((o for _, o in run), session.run(None, {i.name: feed[i.name] for i in session.get_inputs()})))
    for o, c in zip(outs, calls):
        if c.want is not None:
            with np.errstate(all="ignore"):
                got[o] = np.asarray(c.want(*c.inputs))
    m = model(nodes, [info(o, got[o]) for o in outs])
    onnx.checker.check_model(m)
    folder = ROOT / name / "test_data_set_0"
    folder.mkdir(parents=True)
    (ROOT / name / "model.onnx").write_bytes(m.SerializeToString())
    for kind, values in (("input", feed), ("output", got)):
        for i, n in enumerate(feed if kind == "input" else outs):
            (folder / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(values[n], n).SerializeToString())


def noise(*shape, dtype=np.float32, scale=1.0):
    x = np.random.default_rng(len(shape) + sum(shape)).standard_normal(shape) * scale
    if np.issubdtype(dtype, np.unsignedinteger):
        x = np.abs(x)
    return np.asarray(x).astype(dtype)


def of(dtype, *v):
    return np.array(v, dtype)


def arithmetic():
    pairs = [((2, 3, 4), (3, 1)), ((4,), (2, 1, 4)), ((), (3,)), ((2, 0, 3), (1, 3))]
    for op in ("Add", "Sub", "Mul", "Div"):
        ints = [Call(op, noise(2, 4, dtype=t, scale=20), noise(4, dtype=t, scale=5) | t(1)) for t in INTS]
        halves = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}[op]
        case(f"{op.lower()}_14", 14, *(Call(op, noise(*a), noise(*b)) for a, b in pairs), Call(op, noise(2, 3, dtype=np.float64), noise(3, dtype=np.float64)), *ints,
             Call(op, noise(2, 3, dtype=np.float16), noise(3, dtype=np.float16), want=halves))
        case(f"{op.lower()}_7", 7, Call(op, noise(2, 3), noise(2, 1)))
    case("div_edges", 14, Call("Div", of(np.float32, 1, -1, 0, inf, nan), of(np.float32, 0, 0, 0, inf, 1)),
         Call("Div", of(np.int32, 7, -7, 7, -7), of(np.int32, 2, 2, -2, -2)))
    case("mod_13",  13, *(Call("Mod", of(t, 7, -7, 7, -7, 6), of(t, 3, 3, -3, -3, 3)) for t in INTS[:2]),
         *(Call("Mod", of(t, 7, 250, 9), of(t, 3, 7, 9)) for t in INTS[2:]),
         *(Call("Mod", of(t, 7, -7, 7, -7), of(t, 3, 3, -3, -3), fmod=1) for t in (np.int8, np.int32, np.int64)),
         *(Call("Mod", of(t, 7.5, -7.5, 7.5, -7.5), of(t, 3, 3, -3, -3), fmod=1) for t in FLOATS))
    base = of(np.float32, 0, 1, -2, 2.5, -0.5, 9)
    case("pow_13", 13, *(Call("Pow", base, np.array(e, t)) for e, t in ((2, np.float32), (3, np.int32), (-1, np.int64), (3, np.float64))),
         Call("Pow", np.abs(base), np.float32(0.5)), Call("Pow", np.abs(base), noise(2, 1)),
         Call("Pow", of(np.int32, 2, -3, 5), of(np.float32, 3.0, 2.0, 0.5)), Call("Pow", of(np.int64, 2, -3, 5, 1), of(np.int64, 10, 3, 0, 7)),
         Call("Pow", noise(2, 3, dtype=np.float64, scale=3), of(np.float32, 2)))
    case("sub_6", 6, Call("Sub", noise(2, 3, 4), noise(3), want=lambda a, b: a - b[:, None], broadcast=1, axis=1))
    case("pow_7", 7, Call("Pow", base, of(np.float32, 2)))
    for op in ("Min", "Max"):
        f = {"Min": np.minimum, "Max": np.maximum}[op]
        case(f"{op.lower()}_13", 13, *(Call(op, noise(3, 1, dtype=t), noise(4, dtype=t), noise(3, 4, dtype=t)) for t in FLOATS),
             Call(op, noise(3)), Call(op, of(np.float32, nan, 1, inf), of(np.float32, 0, nan, -inf), want=f),
             *(Call(op, noise(3, dtype=t, scale=9), noise(2, 3, dtype=t, scale=9), want=f) for t in INTS))
    for op in ("Sum", "Mean"):
        case(f"{op.lower()}_13", 13, Call(op, noise(3, 1), noise(4), noise(3, 4)), Call(op, noise(3)))
        case(f"{op.lower()}_8", 8, Call(op, noise(2, 3), noise(3)))


def elementary():
    x = of(np.float32, -3, -1.5, -0.5, -0.0, 0, 0.25, 0.5, 1.5, 2.5, 10, inf, -inf, nan)
    for op, f in (("Abs", np.abs), ("Neg", np.negative), ("Reciprocal", np.reciprocal), ("Floor", np.floor), ("Ceil", np.ceil), ("Exp", np.exp),
                  ("Log", np.log), ("Sqrt", np.sqrt), ("Sin", np.sin), ("Cos", np.cos), ("Tanh", np.tanh), ("Sign", np.sign), ("Round", np.round),
                  ("Sigmoid", lambda v: 1 / (1 + np.exp(-v))), ("Erf", lambda v: torch.erf(torch.from_numpy(v)).numpy())):
        ints = {"Abs": INTS, "Neg": INTS[:2], "Sign": INTS}.get(op, ())
        case(f"{op.lower()}_13", 13, Call(op, x, want=f), Call(op, noise(5, dtype=np.float64, scale=2), want=f), Call(op, noise(0, 3), want=f),
             Call(op, np.float32(0.7), want=f), Call(op, noise(40, scale=3)), *(Call(op, noise(4, dtype=t, scale=20), want=f) for t in ints))


def gelu_tanh(x):
    """In float64, since the formula cancels far below zero."""
    x = x.astype(np.float64)
    return (0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))).astype(np.float32)


def activations():
    x = lambda: noise(2, 3, 5, scale=3)
    both = lambda op, torch_form=None, **attrs: [Call(op, x(), **attrs)] + (
        [Call(op, x().astype(np.float64), want=lambda v: torch_form(torch.from_numpy(v)).numpy(), **attrs)] if torch_form else [])
    F = torch.nn.functional
    case("relu_14", 14, *both("Relu", F.relu), Call("Relu", noise(5, dtype=np.int32, scale=9)))
    case("leakyrelu_16", 16, *both("LeakyRelu"), *both("LeakyRelu", lambda v: F.leaky_relu(v, 0.3), alpha=0.3))
    case("leakyrelu_7", 7, *both("LeakyRelu", alpha=-0.1))
    case("prelu_16", 16, Call("PRelu", x(), noise(3, 1)), Call("PRelu", x(), noise(1)), Call("PRelu", x(), noise(5)), Call("PRelu", x(), noise(2, 1, 5)),
         Call("PRelu", x(), noise(2, 3, 5)), Call("PRelu", x(), np.float32(0.25)), Call("PRelu", x().astype(np.int32), of(np.int32, 3), want=lambda v, s: np.where(v < 0, v * s, v)))
    case("prelu_6", 6, Call("PRelu", x(), noise(3), want=lambda v, s: np.where(v < 0, v * s[:, None], v)))
    case("thresholdedrelu_10", 10, *both("ThresholdedRelu"), *both("ThresholdedRelu", alpha=-0.5))
    case("elu_7", 7, *both("Elu", F.elu), *both("Elu", lambda v: F.elu(v, 0.4), alpha=0.4))
    case("selu_7", 7, *both("Selu", F.selu), *both("Selu", alpha=2.0, gamma=0.5))
    case("celu_12", 12, *both("Celu"), *both("Celu", alpha=2.5))
    case("gelu_20", 20, *both("Gelu"), Call("Gelu", x(), want=gelu_tanh, approximate="tanh"))
    case("mish_18", 18, Call("Mish", x(), want=lambda v: F.mish(torch.from_numpy(v)).numpy()))
    case("swish_24", 24, Call("Swish", x(), want=lambda v: F.silu(torch.from_numpy(v)).numpy()), Call("Swish", x(), alpha=1.7, want=lambda v: v / (1 + np.exp(-1.7 * v))))
    case("hardsigmoid_7", 7, *both("HardSigmoid"), *both("HardSigmoid", alpha=0.5, beta=0.1))
    case("hardswish_14", 14, *both("HardSwish"))
    case("softplus_7", 7, *both("Softplus"), Call("Softplus", of(np.float32, -100, 100, 0)))
    case("softsign_7", 7, *both("Softsign"))
    case("clip_13", 13, Call("Clip", x(), np.float32(-1), np.float32(2)), Call("Clip", x(), None, np.float32(2)), Call("Clip", x(), np.float32(0.5)), Call("Clip", x()),
         Call("Clip", x(), np.float32(2), np.float32(-1)), Call("Clip", x(), np.float32(-1), np.float32(1), const=(1, 2)),
         *(Call("Clip", noise(8, dtype=t, scale=20), t(2), t(9)) for t in (np.float64,) + INTS))
    case("clip_6", 7, Call("Clip", x(), min=-1.0, max=2.0), Call("Clip", x(), min=0.0))


def comparisons():
    specials = of(np.float32, nan, inf, -inf, 0, 1), of(np.float32, nan, inf, inf, -0.0, 2)
    for op, f in (("Equal", np.equal), ("Less", np.less), ("LessOrEqual", np.less_equal), ("Greater", np.greater), ("GreaterOrEqual", np.greater_equal)):
        case(f"{op.lower()}_16", 16, Call(op, *specials), *(Call(op, noise(2, 3, dtype=t, scale=2), noise(3, dtype=t, scale=2), want=f) for t in FLOATS + INTS + (np.float16,)),
             *([Call(op, of(np.bool_, 0, 1, 1), np.bool_(1))] if op == "Equal" else []), Call(op, noise(0, 2), noise(2)))
    t, u = of(np.bool_, 0, 0, 1, 1), np.array([[False], [True]])
    case("logic_7", 7, *(Call(op, t, u) for op in ("And", "Or", "Xor")), Call("Not", t))
    case("isnan_13", 13, Call("IsNaN", specials[0]), Call("IsNaN", specials[0].astype(np.float16)))
    case("isinf_10", 10, *(Call("IsInf", specials[0], **a) for a in ({}, {"detect_negative": 0}, {"detect_positive": 0}, {"detect_positive": 0, "detect_negative": 0})))
    shapes = [((2, 3), (2, 3), (2, 3)), ((3,), (2, 3), (1,)), ((2, 1), (3,), ()), ((), (2, 1), (1, 3)), ((0, 1), (3,), (1, 1))]
    case("where_16", 16, *(Call("Where", noise(*c) > 0 if c else np.bool_(True), noise(*a), noise(*b)) for c, a, b in shapes),
         *(Call("Where", of(np.bool_, 0, 1), noise(2, dtype=t, scale=9), noise(3, 1, dtype=t, scale=9), want=np.where) for t in INTS + (np.float16, np.float64)),
         Call("Where", of(np.bool_, 0, 1), of(np.bool_, 0, 1), of(np.bool_, 1, 0), want=np.where))
    case("castlike_15", 15, Call("CastLike", noise(4, scale=5), of(np.int64, 0)), Call("CastLike", of(np.bool_, 0, 1), of(np.float16, 0)))


def reductions():
    x = lambda t=np.float32: (np.abs(noise(2, 3, 2, 5)) + 0.2 if t in FLOATS else np.abs(noise(2, 3, 2, 5, scale=4)) + 1).astype(t)
    i64 = lambda *v: np.array(v, np.int64)
    every = ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSum", "LogSumExp")
    for name in every:
        op = "Reduce" + name
        axes = ((1,), (-1,), (2, 3), (0, 3), (0, 2, 3))
        if name != "Sum":
            case(f"{op.lower()}_11", 11, Call(op, x(), axes=[-2, 1]), Call(op, x(), keepdims=0), Call(op, x(np.float64), axes=[1]), Call(op, x(np.int32), axes=[1, 3]))
        else:
            case(f"{op.lower()}_11", 11, Call(op, x(), axes=[-2, 1]), Call(op, x()))
        case(f"{op.lower()}_18", 18, *(Call(op, x(), i64(*a), const=(1,)) for a in axes), Call(op, x(), i64(), const=(1,)), Call(op, x(), i64(2), keepdims=0), Call(op, np.float32(2.5)),
             *([Call(op, x(), noop_with_empty_axes=1)] if name in ("Sum", "Mean", "Max", "Min", "Prod") else []))
    case("reduce_empty", 18, *(Call("Reduce" + n, noise(2, 0, 3), i64(1), want=lambda v, a, w=w: np.full((2, 1, 3), w, np.float32))
                               for n, w in (("Sum", 0), ("Prod", 1), ("Max", -inf), ("Min", inf), ("L1", 0), ("L2", 0), ("SumSquare", 0), ("LogSum", -inf), ("LogSumExp", -inf))))
    case("reduce_types", 18, *(Call("ReduceMax", noise(3, 4, dtype=t, scale=30), i64(1), want=lambda v, a: v.max(1, keepdims=True)) for t in (np.int8, np.uint8, np.float16)),
         *(Call("Reduce" + n, noise(3, 4, dtype=t, scale=5), i64(0), want=lambda v, a, f=f: f(v, axis=0, keepdims=True).astype(v.dtype)) for t in (np.int32, np.uint64)
           for n, f in (("Sum", np.sum), ("Prod", np.prod), ("Min", np.min))))
    big = of(np.float32, 1000, 1001, -1000)
    case("reducelogsumexp_range", 18, Call("ReduceLogSumExp", big), Call("ReduceLogSumExp", -big))
    case("reducemax_bool", 20, *(Call(op, np.array([[0, 1], [0, 0]], bool), i64(1), keepdims=0) for op in ("ReduceMax", "ReduceMin")))
    for op in ("ArgMax", "ArgMin"):
        ties = of(np.float32, 1, 3, 3, 1, 2, 1)
        case(f"{op.lower()}_13", 13, *(Call(op, x(), axis=a, keepdims=k) for a, k in ((0, 1), (2, 0), (-1, 1))), *(Call(op, ties, select_last_index=k) for k in (0, 1)),
             Call(op, x(np.float64)), Call(op, x(np.int32)), Call(op, x(np.uint8), want=lambda v, f=getattr(np, op.lower()): f(v, axis=0, keepdims=True)))
    case("cumsum_14", 14, *(Call("CumSum", x()[0], np.array(a, t), const=(1,), exclusive=e, reverse=r) for a, t, e, r in ((0, np.int32, 0, 0), (-1, np.int64, 1, 0), (1, np.int64, 0, 1), (0, np.int64, 1, 1))),
         *(Call("CumSum", x(t)[0, 0], i64(1)) for t in (np.float64, np.int32, np.int64)))
    for op in ("Softmax", "LogSoftmax"):
        y = lambda *s: noise(*s, scale=5)
        form = getattr(torch.nn.functional, {"Softmax": "softmax", "LogSoftmax": "log_softmax"}[op])
        case(f"{op.lower()}_13", 13, *(Call(op, y(2, 3, 2, 5), axis=a) for a in (0, 1, -1)), Call(op, y(3, 70)), Call(op, y(2, 0, 3)), Call(op, y(3, 2, 300), axis=1),
             Call(op, y(4, 5).astype(np.float64), axis=0), Call(op, y(9) + 1000),
             Call(op, y(4, 5).astype(np.float16), want=lambda v: form(torch.from_numpy(v).float(), -1).numpy().astype(np.float16)) if op == "LogSoftmax" else Call(op, y(7)))
        case(f"{op.lower()}_11", 11, Call(op, y(2, 3, 4)), *(Call(op, y(2, 3, 4), axis=a) for a in (0, 2, -1)))


def main():
    shutil.rmtree(ROOT, ignore_errors=True)
    for family in (arithmetic, elementary, activations, comparisons, reductions):
        family()


if __name__ == "__main__":
    main()
