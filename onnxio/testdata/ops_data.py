"""Models of operators that move, select and multiply data, with the outputs of ONNX Runtime (numpy where it says so).

Writes ops/data/NAME/{model.onnx,test_data_set_0/*.pb}. Needs numpy, onnx and onnxruntime:

    python ops_data.py
"""

import pathlib
import shutil

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).parent / "ops" / "data"
IR = {7: 3, 8: 3, 9: 4, 10: 5, 11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10}


def case(name, op, opset, inputs, outputs=1, want=None, constant=(), further=None, known=True, **attrs):
    """One node. None among the inputs is one left out; those whose index is in constant become initialisers. further are attributes with other names. known says that ONNX has the operator."""
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    outs = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, names, outs, **attrs, **(further or {}))
    feed = {n: x for i, (n, x) in enumerate(zip(names, inputs)) if x is not None and i not in constant}
    info = lambda n, x: helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
    inits = [numpy_helper.from_array(inputs[i], names[i]) for i in constant]
    graph_inputs = [info(n, x) for n, x in feed.items()]
    if opset < 9:
        graph_inputs += [info(names[i], inputs[i]) for i in constant]

    def model(results):
        g = helper.make_graph([node], name, graph_inputs, results, inits)
        opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(node.domain, 1)] * bool(node.domain)
        return helper.make_model(g, opset_imports=opsets, ir_version=IR[opset], producer_name="")

    if want is None:
        m = model([onnx.ValueInfoProto(name=o) for o in outs])
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(m.SerializeToString(), options, providers=["CPUExecutionProvider"])
        want = session.run(None, feed)
    m = model([info(o, w) for o, w in zip(outs, want)])
    if known:
        onnx.checker.check_model(m)
    folder = ROOT / name / "test_data_set_0"
    folder.mkdir(parents=True)
    (ROOT / name / "model.onnx").write_bytes(m.SerializeToString())
    for kind, values in (("input", feed.items()), ("output", zip(outs, want))):
        for i, (n, x) in enumerate(values):
            (folder / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(x, n).SerializeToString())


def ints(*v):
    return np.array(v, np.int64)


def ramp(*shape, dtype=np.float32):
    return (np.arange(np.prod(shape)) - 3).reshape(shape).astype(dtype)


def noise(*shape, dtype=np.float32):
    return np.random.default_rng(len(shape) + sum(shape)).standard_normal(shape).astype(dtype)


def main():
    shutil.rmtree(ROOT, ignore_errors=True)
    big = np.iinfo(np.int64)

    case("slice_7", "Slice", 7, [ramp(4, 5)], starts=[1, -3], ends=[9, -1], axes=[0, 1])
    case("slice_10_steps", "Slice", 10, [ramp(4, 5), ints(3, 4), ints(0, -6), ints(0, 1), ints(-2, -1)], constant=(1, 2, 3, 4))
    case("slice_13_values", "Slice", 13, [ramp(2, 7, dtype=np.float64), ints(5), ints(1), ints(-1), ints(-3)])
    case("slice_13_clamp", "Slice", 13, [ramp(3, 4, dtype=np.int64), ints(-100, big.max), ints(big.max, big.min), ints(1, 0), ints(1, -1)])
    case("slice_13_start_below", "Slice", 13, [ramp(5), ints(-9), ints(-20), ints(0), ints(-1)], constant=(1, 2, 3, 4))
    case("slice_13_huge_step", "Slice", 13, [ramp(5), ints(1), ints(5), ints(0), ints(big.max)], constant=(1, 2, 3, 4))
    case("slice_13_empty", "Slice", 13, [ramp(5, 2, dtype=np.uint8), ints(3), ints(2)])
    case("slice_13_int32", "Slice", 13, [ramp(5, 2), np.array([1], np.int32), np.array([4], np.int32)])

    case("split_7", "Split", 7, [ramp(2, 6)], 3, axis=1)
    case("split_11_sizes", "Split", 11, [ramp(6, 2)], 2, axis=-2, split=[2, 4])
    case("split_13_sizes", "Split", 13, [ramp(2, 6, dtype=np.int32), ints(1, 0, 5)], 3, axis=-1)
    case("split_18_uneven", "Split", 18, [ramp(7, 2)], 3, num_outputs=3)

    p = ramp(2, 3, 4)
    for mode in ("constant", "reflect", "edge"):
        case(f"pad_7_{mode}", "Pad", 7, [p], mode=mode, pads=[0, 1, 2, 0, 2, 3], **({"value": 1.5} if mode == "constant" else {}))
    case("pad_7_negative", "Pad", 7, [p], pads=[0, -1, 2, 0, 1, -3], value=1.5)
    case("pad_11_int64", "Pad", 11, [p.astype(np.int64), ints(1, 0, 0, 0, 0, 1), np.array(7, np.int64)])
    case("pad_11_no_value", "Pad", 11, [p.astype(np.float64), ints(0, 0, 1, 0, 0, 0)], constant=(1,))
    case("pad_13_bool", "Pad", 13, [p > 4, ints(0, 0, 1, 0, 0, 2), np.array(True)])
    case("pad_13_reflect_crop", "Pad", 13, [p, ints(0, -1, 1, 0, 1, 2)], mode="reflect", constant=(1,))
    case("pad_18_axes", "Pad", 18, [p, ints(1, 2, 0, 1), None, ints(-1, 1)], mode="edge", constant=(1, 3))
    case("pad_19_wrap", "Pad", 19, [p, ints(1, 0, 3, 1, 2, 1)], mode="wrap", constant=(1,))
    case("pad_13_empty", "Pad", 13, [np.zeros((0, 2), np.float32), ints(1, 0, 0, 1)], constant=(1,))

    for opset in (7, 13):
        for axis in (0, 1, 3):
            case(f"flatten_{opset}_{axis}", "Flatten", opset, [ramp(2, 3, 2)], axis=axis)
    case("flatten_11_negative", "Flatten", 11, [ramp(2, 3, 2)], axis=-1)
    case("flatten_13_scalar", "Flatten", 13, [np.array(2, np.float32)], axis=0)
    case("squeeze_7", "Squeeze", 7, [ramp(1, 3, 1, 2)], axes=[0])
    case("squeeze_7_all", "Squeeze", 7, [ramp(1, 3, 1, 2)])
    case("squeeze_13", "Squeeze", 13, [ramp(1, 3, 1, 2), ints(-2)])
    case("unsqueeze_7", "Unsqueeze", 7, [ramp(3, 2)], axes=[3, 0])
    case("unsqueeze_13", "Unsqueeze", 13, [ramp(3, 2, dtype=np.int8), ints(-1, 1)])
    case("reshape_7_zero", "Reshape", 7, [ramp(2, 3, 4), ints(0, -1)])
    case("reshape_14_allowzero", "Reshape", 14, [np.zeros((0, 3), np.float32), ints(3, 0)], allowzero=1)
    case("reshape_13_scalar", "Reshape", 13, [ramp(1, 1), ints()])
    case("shape_15", "Shape", 15, [ramp(2, 3, 4)], start=-2, end=9)
    case("size_13", "Size", 13, [np.zeros((2, 0, 3), np.float32)])

    case("transpose_7", "Transpose", 7, [ramp(2, 3, 4)])
    case("transpose_13_nhwc", "Transpose", 13, [ramp(2, 3, 5, 4, dtype=np.float16)], perm=[0, 2, 3, 1])
    case("transpose_13_bool", "Transpose", 13, [ramp(2, 3, 4) > 8], perm=[2, 0, 1])
    case("transpose_13_ones", "Transpose", 13, [ramp(1, 3, 1, 2)], perm=[2, 1, 3, 0])

    case("expand_8", "Expand", 8, [ramp(3, 1), ints(2, 1, 4)])
    case("expand_13_rank", "Expand", 13, [ramp(2, 3, 1, dtype=np.int32), ints(1, 1)])
    case("expand_13_empty", "Expand", 13, [ramp(1, 2), ints(0, 1)])
    case("tile_7", "Tile", 7, [ramp(2, 3), ints(2, 2)])
    case("tile_13", "Tile", 13, [ramp(2, 1, 3, dtype=np.uint8), ints(1, 3, 2)])
    case("tile_13_none", "Tile", 13, [ramp(2, 3), ints(0, 2)])

    case("gather_7", "Gather", 7, [ramp(3, 4), np.array([[2, 0]], np.int32)], axis=1)
    case("gather_13_scalar", "Gather", 13, [ramp(3, 4, dtype=np.float64), np.array(-1)], axis=-2)
    case("gather_13_bool", "Gather", 13, [ramp(3, 4) > 2, ints(1, 1)])
    case("gatherelements_11", "GatherElements", 11, [ramp(3, 4), np.array([[0, -1, 2, 0], [2, 1, -3, 0]])], axis=0)
    case("gatherelements_13", "GatherElements", 13, [ramp(2, 3, dtype=np.int16), np.array([[2], [0]], np.int32)], axis=-1)
    case("gathernd_11", "GatherND", 11, [ramp(2, 3, 2), np.array([[1, -1], [0, 0]])])
    case("gathernd_12_batch", "GatherND", 12, [ramp(2, 3, 4), np.array([[[2]], [[-3]]])], batch_dims=1)
    case("gathernd_13_batch_2", "GatherND", 13, [ramp(2, 2, 3, dtype=np.int64), np.array([[[2], [0]], [[1], [1]]])], batch_dims=2)
    where = np.array([[2], [0]])
    case("scatternd_11", "ScatterND", 11, [ramp(3, 2), where, noise(2, 2)])
    for i, reduction in enumerate(("add", "mul", "max", "min")):
        opset = 16 if i < 2 else 18
        case(f"scatternd_{opset}_{reduction}", "ScatterND", opset, [ramp(3, 2), np.array([[2, 1], [0, 0], [2, -1]]), 2 * noise(3)], reduction=reduction)
        case(f"scatterelements_{opset}_{reduction}", "ScatterElements", opset, [ramp(3, 2, dtype=np.int32), np.array([[2, 1], [-1, 0]]), ramp(2, 2, dtype=np.int32)], reduction=reduction)
    case("scatter_9", "Scatter", 9, [ramp(3, 2), np.array([[1], [0]]), noise(2, 1)], axis=1)
    case("scatterelements_13", "ScatterElements", 13, [ramp(3, 2), np.array([[1, 2]]), noise(1, 2)], axis=0)

    case("range_11", "Range", 11, [np.array(0.5, np.float32), np.array(3, np.float32), np.array(0.6, np.float32)])
    case("range_11_down", "Range", 11, [np.array(7), np.array(-4), np.array(-3)])
    case("range_11_none", "Range", 11, [np.array(3, np.int32), np.array(3, np.int32), np.array(1, np.int32)], constant=(0, 1, 2))
    case("constantofshape_9", "ConstantOfShape", 9, [ints(2, 3)])
    case("constantofshape_20", "ConstantOfShape", 20, [ints(2, 0)], value=helper.make_tensor("v", TensorProto.INT64, [1], [4]))
    case("constantofshape_9_scalar", "ConstantOfShape", 9, [ints()], value=helper.make_tensor("v", TensorProto.BOOL, [1], [1]))

    case("dropout_7", "Dropout", 7, [ramp(2, 3)], ratio=0.3)
    case("dropout_10_mask", "Dropout", 10, [ramp(2, 3)], 2, want=[ramp(2, 3), np.ones((2, 3), bool)])  # ONNX's reference; ONNX Runtime has false
    case("dropout_13_mask", "Dropout", 13, [ramp(2, 3), np.array(0.3, np.float32), np.array(False)], 2)
    case("dropout_13_nothing", "Dropout", 13, [ramp(2, 3), np.array(0, np.float32), np.array(True)], 2)

    case("depthtospace_7", "DepthToSpace", 7, [ramp(1, 8, 2, 3)], blocksize=2)
    case("depthtospace_11_crd", "DepthToSpace", 11, [ramp(2, 9, 2, 3)], blocksize=3, mode="CRD")
    x = ramp(1, 8, 1, 2, dtype=np.float16)
    case("depthtospace_13_half", "DepthToSpace", 13, [x], blocksize=2, mode="CRD",
         want=[x.reshape(1, 2, 2, 2, 1, 2).transpose(0, 1, 4, 2, 5, 3).reshape(1, 2, 2, 4)])  # numpy
    case("spacetodepth_7", "SpaceToDepth", 7, [ramp(1, 2, 4, 6)], blocksize=2)

    k = np.array([[3, 1, 4, 1], [5, 9, 2, 6]], np.float32)
    case("topk_7", "TopK", 7, [k], 2, k=2)
    case("topk_10", "TopK", 10, [k, ints(1)], 2, axis=0)
    case("topk_11_smallest", "TopK", 11, [k.astype(np.int64), ints(3)], 2, axis=-1, largest=0)
    case("topk_11_half", "TopK", 11, [k.astype(np.float16), ints(2)], 2, axis=1, want=[np.array([[4, 3], [9, 6]], np.float16), np.array([[2, 0], [1, 3]])])  # numpy
    case("nonzero_9", "NonZero", 9, [np.array([[0, 1, 2], [3, 0, -1]], np.float32)])
    case("nonzero_13_bool", "NonZero", 13, [ramp(2, 2, 2) > 1])
    case("trilu_14_lower", "Trilu", 14, [ramp(2, 3, 4)], upper=0)
    case("trilu_14_k", "Trilu", 14, [ramp(3, 4, dtype=np.int64), np.array(-1)])

    case("matmul_7_vectors", "MatMul", 7, [noise(3), noise(3) + 1])
    case("matmul_13_row", "MatMul", 13, [noise(3), noise(2, 3, 4)])
    case("matmul_13_column", "MatMul", 13, [noise(2, 1, 4, 3), noise(3)])
    case("matmul_13_batches", "MatMul", 13, [noise(2, 1, 3, 4), noise(5, 4, 2)])
    case("matmul_13_int32", "MatMul", 13, [ramp(2, 3, dtype=np.int32), ramp(3, 2, dtype=np.int32)])
    case("matmul_13_double", "MatMul", 13, [noise(2, 3, dtype=np.float64), noise(3, 2, dtype=np.float64)])
    case("matmul_13_wide", "MatMul", 13, [noise(17, 33), noise(33, 19)])
    case("gemm_7", "Gemm", 7, [noise(3, 4), noise(4, 2), noise(2)], alpha=0.5, beta=2.0)
    case("gemm_11_transposed", "Gemm", 11, [noise(4, 3), noise(2, 4)], transA=1, transB=1)
    case("gemm_13_column", "Gemm", 13, [noise(3, 4), noise(2, 4), noise(3, 1)], transB=1, beta=0.5)
    case("gemm_13_scalar", "Gemm", 13, [noise(3, 4), noise(4, 2), np.array(2, np.float32)])

    a, b = noise(2, 3, 4), noise(2, 4, 5)
    for name, equation, operands in (
        ("matmul", "bij,bjk->bik", [a, b]),
        ("implicit", "bij,bjk", [a, b]),
        ("ellipsis", "...ij,...jk->...ik", [noise(2, 3, 4), noise(2, 4, 2)]),
        ("attention", "bhid,bhjd->bhij", [noise(1, 2, 3, 4), noise(1, 2, 5, 4)]),
        ("transposed", "ij,kj->ki", [noise(2, 3), noise(4, 3)]),
        ("trace", "ii", [noise(3, 3)]),
        ("diagonal", "...ii->...i", [noise(2, 3, 3)]),
        ("sums", "ij,kl->ik", [noise(2, 3), noise(4, 5)]),
        ("outer", "i,j->ji", [noise(2), noise(3)]),
        ("hadamard", "ij, ij -> ij", [noise(2, 3), noise(2, 3) + 1]),
        ("three", "ij,jk,kl->il", [noise(2, 3), noise(3, 4), noise(4, 2)]),
        ("chained", "i,i,i->i", [noise(4), noise(4) * 2, noise(4) + 1]),
    ):
        case(f"einsum_12_{name}", "Einsum", 12, operands, equation=equation)
    case("einsum_12_int64", "Einsum", 12, [ramp(2, 3, dtype=np.int64), ramp(3, dtype=np.int64)], equation="ij,j->i")
    for name, equation, operands in (
        ("broadcast", "ij,ij->j", [noise(2, 1), noise(2, 4)]),
        ("ranks", "...ij,...jk->...ik", [noise(2, 1, 3, 4), noise(3, 4, 2)]),
    ):
        case(f"einsum_12_{name}", "Einsum", 12, operands, equation=equation, want=[np.einsum(equation, *operands)])  # numpy

    case("concat_7", "Concat", 7, [ramp(2, 3), ramp(2, 1)], axis=1)
    case("concat_13_bool", "Concat", 13, [ramp(1, 2) > 0, ramp(2, 2) < 0], axis=-2)
    case("concat_13_empty", "Concat", 13, [np.zeros((0,), np.int64), ints(1, 2)], axis=0)
    edge = np.array([0, -0.0, 0.7, -1.9, 65504, 1e-8, np.inf, np.nan], np.float32)
    case("cast_7_half", "Cast", 7, [edge], to=TensorProto.FLOAT16)
    case("cast_13_bool", "Cast", 13, [edge], to=TensorProto.BOOL)
    case("cast_13_int32", "Cast", 13, [edge[:5]], to=TensorProto.INT32)
    case("cast_13_uint8", "Cast", 13, [ints(0, 255, 256, -1, 1 << 40)], to=TensorProto.UINT8)
    case("castlike_15", "CastLike", 15, [ramp(2, 2), np.array(1, np.int64)])
    case("identity_13_bool", "Identity", 13, [np.array([True, False])])


main()
