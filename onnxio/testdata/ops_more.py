"""Models of quantised, attention, recurrent, looping and other operators, with the outputs of ONNX Runtime, or of the ONNX
package's reference evaluator where ONNX Runtime lacks the operator or where it says so.

Writes ops/more/NAME/{model.onnx,test_data_set_0/*.pb}. Needs numpy, ml_dtypes, onnx 1.23 and onnxruntime:

    python ops_more.py
"""

import shutil

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import ops_data
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from ops_data import ints, noise, ramp

ops_data.ROOT = ops_data.ROOT.parent / "more"
ops_data.IR.update({22: 10, 23: 11, 24: 12, 25: 13, 26: 13, 27: 13, 28: 14})


def case(name, op, opset, inputs, outputs=1, reference=False, **attrs):
    """As ops_data.case; with reference, the expected outputs are the reference evaluator's."""
    want = None
    if reference:
        names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
        feed = {n: x for n, x in zip(names, inputs) if n}
        info = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for n, x in feed.items()]
        kept = {k: v for k, v in attrs.items() if k != "constant"}
        outs = [f"y{i}" for i in range(outputs)]
        graph = helper.make_graph([helper.make_node(op, names, outs, **kept)], name, info, [helper.make_empty_tensor_value_info(o) for o in outs])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ops_data.IR[opset])
        want = [np.asarray(w) for w in ReferenceEvaluator(model).run(None, feed)]
    ops_data.case(name, op, opset, inputs, outputs, want, **attrs)


def net(name, opset, feeds, nodes, outputs, inits=None, reference=False):
    """A graph of several nodes with outputs of types and ranks, run with each of the feeds in turn."""
    info = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for n, x in feeds[0].items()]
    inits = [numpy_helper.from_array(x, n) for n, x in (inits or {}).items()]
    outs = [helper.make_tensor_value_info(o, t, [None] * rank) for o, (t, rank) in outputs.items()]
    model = helper.make_model(helper.make_graph(nodes, name, info, outs, inits), opset_imports=[helper.make_opsetid("", opset)], ir_version=ops_data.IR[opset], producer_name="")
    onnx.checker.check_model(model)
    run = ReferenceEvaluator(model).run if reference else onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run
    for k, feed in enumerate(feeds):
        folder = ops_data.ROOT / name / f"test_data_set_{k}"
        folder.mkdir(parents=True)
        for kind, values in (("input", feed.items()), ("output", zip(outputs, run(None, feed)))):
            for i, (n, x) in enumerate(values):
                (folder / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(np.asarray(x), n).SerializeToString())
    (ops_data.ROOT / name / "model.onnx").write_bytes(model.SerializeToString())


def i32(*v):
    return np.array(v, np.int32)


def f32(*v):
    return np.array(v, np.float32)


def bytes_of(*shape, dtype=np.uint8):
    lo, hi = np.iinfo(dtype).min, np.iinfo(dtype).max
    return np.random.default_rng(sum(shape)).integers(lo, hi + 1, shape).astype(dtype)


def scalar(v, dtype=np.float32):
    return np.array(v, dtype)


def body(inputs, outputs, *nodes):
    info = lambda n, t, s: helper.make_tensor_value_info(n, t, s)
    return helper.make_graph(list(nodes), "body", [info(*i) for i in inputs], [info(*o) for o in outputs])


def main():
    shutil.rmtree(ops_data.ROOT, ignore_errors=True)
    x = noise(2, 3, 4)
    node = helper.make_node

    case("quantize_10", "QuantizeLinear", 10, [x, scalar(0.02), scalar(128, np.uint8)])
    case("quantize_13_axis", "QuantizeLinear", 13, [x, f32(0.01, 0.02, 0.05), np.array([1, -3, 7], np.int8)], axis=1)
    case("quantize_21_blocks", "QuantizeLinear", 21, [noise(2, 6), f32(0.1, 0.2, 0.3, 0.4).reshape(2, 2), bytes_of(2, 2)], axis=1, block_size=3)
    case("quantize_21_int4", "QuantizeLinear", 21, [noise(3, 5), scalar(0.3), scalar(1, ml_dtypes.int4)], reference=True)
    case("quantize_21_float8", "QuantizeLinear", 21, [300 * noise(3, 5), scalar(0.5), scalar(0, ml_dtypes.float8_e4m3fn)], reference=True)
    case("cast_19_float8", "Cast", 19, [f32(0, 1.0625, -300, 500, 3e-3, 1e-3)], reference=True, to=TensorProto.FLOAT8E5M2)
    case("cast_21_uint4", "Cast", 21, [f32(0, 1.4, 15, 7)], reference=True, to=TensorProto.UINT4)
    case("dequantize_13_axis", "DequantizeLinear", 13, [bytes_of(2, 3, 2), f32(0.5, 0.25), np.array([3, 250], np.uint8)], axis=-1)
    case("dequantize_21_uint4", "DequantizeLinear", 21, [ramp(3, 4).clip(0, 15).astype(ml_dtypes.uint4), f32(0.5, 2, 3).reshape(3, 1)], axis=1, block_size=4, reference=True)
    case("dequantize_13_int32", "DequantizeLinear", 13, [i32(-70000, 3, 1 << 20), scalar(0.001)])
    case("dynamicquantize_11", "DynamicQuantizeLinear", 11, [x], 3)
    case("convinteger_10", "ConvInteger", 10, [bytes_of(1, 2, 5, 5), bytes_of(3, 2, 3, 3), scalar(7, np.uint8)], pads=[1, 1, 1, 1])
    case("matmulinteger_10", "MatMulInteger", 10, [bytes_of(3, 5), bytes_of(5, 2, dtype=np.int8), scalar(9, np.uint8), np.array([1, -2], np.int8)])
    case("matmulinteger_10_long", "MatMulInteger", 10, [bytes_of(2, 700), bytes_of(700, 3), scalar(0, np.uint8), scalar(0, np.uint8)])
    case("qlinearmatmul_10", "QLinearMatMul", 10, [bytes_of(3, 5), scalar(0.02), scalar(120, np.uint8), bytes_of(5, 2), scalar(0.03), scalar(100, np.uint8), scalar(0.1),
                                                   scalar(90, np.uint8)])
    # ONNX Runtime saturates sums of two products of bytes on some CPUs.
    case("qlinearconv_10", "QLinearConv", 10, [bytes_of(1, 4, 5, 5), scalar(0.02), scalar(120, np.uint8), bytes_of(4, 2, 3, 3, dtype=np.int8), f32(0.01, 0.02, 0.03, 0.04),
                                               np.zeros(4, np.int8), scalar(0.1), scalar(90, np.uint8), i32(5, -7, 100, 0)], group=2, strides=[2, 1], pads=[1, 0, 0, 1],
         reference=True)

    q, k, v = noise(1, 4, 3, 4), noise(1, 2, 5, 4), noise(1, 2, 5, 6)
    case("attention_23_groups", "Attention", 23, [q, k, v], reference=True)
    case("attention_23_causal_past", "Attention", 23, [noise(1, 2, 3, 4), noise(1, 2, 3, 4), noise(1, 2, 3, 4), None, noise(1, 2, 2, 4), noise(1, 2, 2, 4)], 3, reference=True, is_causal=1)
    case("attention_23_mask", "Attention", 23, [noise(2, 3, 8), noise(2, 5, 8), noise(2, 5, 8), np.array([[1, 0, 1, 1, 0]] * 2 + [[0] * 5], bool)], reference=True,
         q_num_heads=2, kv_num_heads=2, softcap=2.0, scale=0.7)
    case("attention_25_window", "Attention", 25, [noise(1, 2, 4, 4)] * 3, reference=True, is_causal=1, left_window_size=1)
    case("rotaryembedding_23", "RotaryEmbedding", 23, [noise(2, 3, 8), noise(5, 2), noise(5, 2) / 2, np.array([[0, 3, 1], [2, 2, 4]])], reference=True, num_heads=2)
    case("rotaryembedding_23_part", "RotaryEmbedding", 23, [noise(2, 2, 3, 6), noise(2, 3, 2), noise(2, 3, 2) / 2], reference=True, interleaved=1, rotary_embedding_dim=4)
    case("swiglu_28", "SwiGLU", 28, [x, noise(2, 3, 4) / 3], reference=True, alpha=1.5)
    case("causalconv_27", "CausalConvWithState", 27, [noise(2, 3, 5), noise(3, 1, 3), noise(3), noise(2, 3, 2)], 2, reference=True, activation="silu")
    case("linearattention_27", "LinearAttention", 27, [noise(1, 3, 8), noise(1, 3, 4), noise(1, 3, 6), None, -np.abs(noise(1, 3, 2)), np.abs(noise(1, 3, 2)) / 3], 2, reference=True,
         q_num_heads=4, kv_num_heads=2)

    case("onehot_11", "OneHot", 11, [np.array([[0, -1], [7, 2]]), scalar(3, np.int64), f32(-1, 5)], axis=1, constant=(1,))
    case("cumprod_26", "CumProd", 26, [x, scalar(1, np.int64)], reference=True, constant=(1,))
    case("tensorscatter_24", "TensorScatter", 24, [noise(2, 4, 3), noise(2, 2, 3), ints(3, 1)], reference=True, mode="circular")
    case("reversesequence_10", "ReverseSequence", 10, [noise(4, 3, 2), ints(1, 4, 3)])
    case("maxunpool_11", "MaxUnpool", 11, [f32(5, 7, 9, 11).reshape(1, 1, 2, 2), ints(5, 7, 13, 15).reshape(1, 1, 2, 2)], kernel_shape=[2, 2], strides=[2, 2])
    case("compress_11", "Compress", 11, [noise(3, 4), np.array([1, 0, 1], bool)], axis=0, constant=(1,))
    case("col2im_18", "Col2Im", 18, [noise(2, 12, 16), ints(7, 5), ints(2, 3)], strides=[2, 1], pads=[0, 1, 1, 0], constant=(1, 2))
    case("deformconv_19", "DeformConv", 19, [noise(1, 4, 5, 6), noise(2, 2, 2, 3), noise(1, 24, 3, 6), f32(1, -1), np.abs(noise(1, 12, 3, 6))], reference=True, group=2, offset_group=2,
         strides=[2, 1], pads=[1, 0, 0, 2])
    case("centercroppad_18", "CenterCropPad", 18, [noise(3, 6), ints(6, 3)], reference=True, constant=(1,))
    case("affinegrid_20", "AffineGrid", 20, [noise(2, 2, 3), ints(2, 1, 3, 4)], reference=True, constant=(1,))

    case("bitshift_11", "BitShift", 11, [np.array([200, 3, 7], np.uint8), np.array([1, 9, 0], np.uint8)], direction="LEFT", reference=True)
    case("bitwisexor_18", "BitwiseXor", 18, [i32(-5, 12, 7), i32(3)])
    case("bitwisenot_18", "BitwiseNot", 18, [np.array([0, 200], np.uint8)])
    case("bitcast_26", "BitCast", 26, [f32(1, -2.5)], reference=True, to=TensorProto.INT32)
    for op in "Tan", "Sinh", "Cosh", "Asin", "Acos", "Atan", "Asinh", "Atanh":
        case(op.lower() + "_9", op, 9, [np.linspace(-0.9, 0.9, 7).astype(np.float32)])
    case("acosh_9", "Acosh", 9, [f32(1, 1.5, 4)])
    case("hardmax_11", "Hardmax", 11, [noise(2, 3, 2)], axis=1)
    case("hardmax_13", "Hardmax", 13, [f32(1, 3, 3, 2).reshape(1, 4)])
    case("shrink_9", "Shrink", 9, [x], lambd=0.4, bias=0.1)
    case("eyelike_9", "EyeLike", 9, [ramp(2, 4, dtype=np.int32)], k=1, dtype=TensorProto.FLOAT)
    case("mvn_13", "MeanVarianceNormalization", 13, [noise(2, 3, 2, 2)])
    case("det_11", "Det", 11, [noise(2, 3, 3)])
    case("unique_11", "Unique", 11, [ints(4, 1, 4, -2, 1)], 4)
    case("unique_11_axis", "Unique", 11, [f32(1, 2, 0, 1, 1, 2).reshape(3, 2)], 4, axis=0, sorted=0)
    boxes = f32(0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, -0.1, 1, 0.9, 0, 10, 1, 11).reshape(1, 4, 4)
    case("nms_11", "NonMaxSuppression", 11, [boxes, f32(0.9, 0.75, 0.6, 0.95).reshape(1, 1, 4), ints(3), f32(0.5), f32(0.0)])
    case("roialign_16", "RoiAlign", 16, [noise(1, 2, 6, 6), f32(0, 0, 3, 4, 1.5, 2, 5, 5.5).reshape(2, 4), ints(0, 0)], output_height=2, output_width=3, sampling_ratio=2)

    classes = np.array([[0, 2, 1], [1, 1, 0]])
    case("nll_13", "NegativeLogLikelihoodLoss", 13, [noise(2, 3, 3), classes, f32(1, 2, 0.5)], ignore_index=1)
    case("sce_13", "SoftmaxCrossEntropyLoss", 13, [noise(2, 3, 3), classes], 2, reduction="sum")

    case("rnn_14", "RNN", 14, [noise(4, 2, 3), noise(2, 5, 3), noise(2, 5, 5), noise(2, 10), i32(2, 4)], 2, hidden_size=5, direction="bidirectional", activations=["Relu", "Tanh"])
    case("gru_14", "GRU", 14, [noise(3, 2, 3), noise(1, 12, 3), noise(1, 12, 4), noise(1, 24), None, noise(1, 2, 4)], 2, hidden_size=4, linear_before_reset=1)
    case("gru_7_reverse", "GRU", 7, [noise(3, 2, 3), noise(1, 12, 3), noise(1, 12, 4)], 2, hidden_size=4, direction="reverse")
    case("lstm_14", "LSTM", 14, [noise(3, 2, 3), noise(1, 16, 3), noise(1, 16, 4), noise(1, 32), i32(3, 1), noise(1, 2, 4), noise(1, 2, 4) / 2, noise(1, 12)], 3, hidden_size=4)

    case("hannwindow_17", "HannWindow", 17, [scalar(7, np.int64)], periodic=0, constant=(0,))
    case("dft_17", "DFT", 17, [noise(2, 5, 3, 1), scalar(6, np.int64)], axis=1, onesided=1, constant=(1,), reference=True)
    case("dft_20_inverse", "DFT", 20, [noise(2, 4, 2), None, scalar(1, np.int64)], inverse=1, onesided=1, reference=True, constant=(2,))
    case("stft_17", "STFT", 17, [noise(1, 12, 1), scalar(3, np.int64), np.hanning(6).astype(np.float32)], constant=(1,), reference=True)

    i, f, b = TensorProto.INT64, TensorProto.FLOAT, TensorProto.BOOL
    loop = body([("i", i, []), ("c", b, []), ("a", f, [2])], [("d", b, []), ("e", f, [2]), ("s", f, [2])],
                node("Add", ["a", "a"], ["e"]), node("Neg", ["e"], ["s"]), node("ReduceSum", ["e"], ["t"], keepdims=0), node("Constant", [], ["n"], value_float=20.0),
                node("Less", ["t", "n"], ["d"]))
    case("loop_16_trips", "Loop", 16, [scalar(2, np.int64), scalar(True, bool), f32(1, 2)], 2, body=loop, constant=(0,))
    case("loop_16_condition", "Loop", 16, [None, scalar(True, bool), f32(1, 2)], 2, body=loop)
    scan = body([("a", f, [2]), ("x", f, [2])], [("b", f, [2]), ("y", f, [2])], node("Mul", ["a", "x"], ["m"]), node("Add", ["m", "x"], ["b"]), node("Identity", ["b"], ["y"]))
    case("scan_9_reverse", "Scan", 9, [f32(1, 2), noise(2, 3)], 2, body=scan, num_scan_inputs=1, scan_input_axes=[1], scan_input_directions=[1], scan_output_axes=[1])
    case("scan_9_axes", "Scan", 9, [f32(1, 2), noise(2, 3), noise(2, 3) / 2], 2, num_scan_inputs=2, scan_input_axes=[1, 1], body=body(
        [("a", f, [2]), ("x", f, [2]), ("z", f, [2])], [("b", f, [2]), ("y", f, [2])], node("Add", ["a", "x"], ["b"]), node("Mul", ["b", "z"], ["y"])))
    outer = body([("i", i, []), ("c", b, []), ("a", f, [2])], [("d", b, []), ("e", f, None)], node("Identity", ["c"], ["d"]),
                 node("Loop", ["n", "", "a"], ["e"], body=helper.make_graph(
                     [node("Cast", ["i"], ["fi"], to=f), node("Mul", ["u", "w"], ["uw"]), node("Add", ["uw", "fi"], ["v"]), node("Identity", ["k"], ["g"])], "inner",
                     [helper.make_tensor_value_info("j", i, []), helper.make_tensor_value_info("k", b, []), helper.make_tensor_value_info("u", f, [2])],
                     [helper.make_tensor_value_info("g", b, []), helper.make_tensor_value_info("v", f, [2])])))
    net("loop_16_nested", 16, [{"m": scalar(3, np.int64), "n": scalar(2, np.int64), "w": f32(0.5, 1)}, {"m": scalar(1, np.int64), "n": scalar(0, np.int64), "w": f32(0.5, 1)}],
        [node("Loop", ["m", "", "w"], ["y"], body=outer)], {"y": (f, 1)})

    # The condition, the number of turns and the shape that a branch gives depend on the values of inputs.
    then, other = body([], [("p", f, None)], node("Neg", ["x"], ["p"])), body([], [("q", f, None)], node("Concat", ["x", "x"], ["q"], axis=0))
    net("if_16_values", 16, [{"x": f32(1, 2)}, {"x": f32(-3, 1)}], [node("ReduceSum", ["x"], ["s"], keepdims=0), node("Constant", [], ["o"], value_float=0.0), node("Greater", ["s", "o"], ["c"]),
                                                                  node("If", ["c"], ["y"], then_branch=then, else_branch=other)], {"y": (f, 1)})
    grow = body([("i", i, []), ("c", b, []), ("a", f, None)], [("d", b, []), ("e", f, None)], node("Add", ["a", "a"], ["e"]), node("ReduceMax", ["e"], ["t"], keepdims=0),
                node("Less", ["t", "limit"], ["d"]))
    net("loop_16_values", 16, [{"x": f32(1, 2), "limit": scalar(50.0)}, {"x": f32(7, 2), "limit": scalar(3.0)}, {"x": f32(1, 2), "limit": scalar(500.0)}],
        [node("Constant", [], ["c"], value=numpy_helper.from_array(scalar(True, bool))), node("Loop", ["", "c", "x"], ["y"], body=grow)], {"y": (f, 1)})

    three = [node("SequenceConstruct", ["x", "z"], ["s0"]), node("SequenceInsert", ["s0", "x", "one"], ["s1"]), node("SequenceErase", ["s1", "last"], ["s2"]), node("SequenceLength", ["s1"], ["n"]),
             node("SequenceAt", ["s1", "last"], ["y"]), node("ConcatFromSequence", ["s2"], ["w"], axis=0), node("ConcatFromSequence", ["s2"], ["v"], axis=1, new_axis=1)]
    net("sequence_11", 13, [{"x": noise(2, 3), "z": noise(2, 3) / 2}], three, {"n": (i, 0), "y": (f, 2), "w": (f, 2), "v": (f, 3)}, {"one": scalar(1, np.int64), "last": scalar(-1, np.int64)})
    net("split_to_sequence_11", 13, [{"x": noise(3, 4)}], [node("SplitToSequence", ["x", "sizes"], ["s"], axis=1), node("SequenceAt", ["s", "at"], ["y"]), node("SplitToSequence", ["x"], ["r"], keepdims=0),
                                                         node("SequenceAt", ["r", "at"], ["z"])], {"y": (f, 2), "z": (f, 1)}, {"sizes": ints(1, 3), "at": scalar(1, np.int64)})
    collect = helper.make_graph(
        [node("SequenceInsert", ["q", "x"], ["r"]), node("Identity", ["c"], ["d"])], "collect",
        [helper.make_tensor_value_info("i", i, []), helper.make_tensor_value_info("c", b, []), helper.make_tensor_sequence_value_info("q", f, None)],
        [helper.make_tensor_value_info("d", b, []), helper.make_tensor_sequence_value_info("r", f, None)])
    net("loop_16_sequence", 16, [{"x": f32(1, 2), "m": scalar(3, np.int64)}], [node("SequenceEmpty", [], ["e"]), node("Loop", ["m", "", "e"], ["s"], body=collect),
                                                                          node("ConcatFromSequence", ["s"], ["y"], axis=0)], {"y": (f, 1)})
    square = helper.make_graph([node("Mul", ["a", "x"], ["p"])], "square", [helper.make_tensor_value_info("a", f, None)], [helper.make_tensor_value_info("p", f, None)])
    net("sequence_map_17", 17, [{"x": f32(1, 2), "z": f32(5, -1)}], [node("SequenceConstruct", ["x", "z"], ["s"]), node("SequenceMap", ["s"], ["r"], body=square),
                                                                   node("ConcatFromSequence", ["r"], ["y"], axis=0)], {"y": (f, 1)})
    net("optional_16", 16, [{"x": f32(1, 2)}], [node("Optional", ["x"], ["o"]), node("OptionalHasElement", ["o"], ["h"]), node("OptionalGetElement", ["o"], ["y"])], {"h": (b, 0), "y": (f, 1)})


if __name__ == "__main__":
    main()
