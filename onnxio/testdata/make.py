#!/usr/bin/env python3
"""Writes the small models that the tests of this package read, and values.json: what the constants in them are
according to the Python package onnx. usage: make.py (in any folder; needs onnx and numpy)"""
import json, pathlib
import numpy as np
import onnx
from onnx import TensorProto as T, helper, numpy_helper

OUT = pathlib.Path(__file__).parent
NEWEST = dict(ir_version=14, opset_imports=[helper.make_opsetid("", 28)])
values = {}


def note(model, name, tensor, array=None):
    array = numpy_helper.to_array(tensor) if array is None else array
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    values.setdefault(model, {})[name] = {"type": helper.tensor_dtype_to_string(tensor.data_type).removeprefix("TensorProto.").lower(),
                                          "shape": list(array.shape), "values": [str(v) for v in array.ravel().tolist()]}


def save(name, model, check=True):
    if check:
        onnx.checker.check_model(model)
    (OUT / name).write_bytes(model.SerializeToString())


def identity(inits, sparse=(), name="g"):
    """A graph that passes x on, and holds constants."""
    x, y = (helper.make_tensor_value_info(n, T.FLOAT, ["N", 3, None]) for n in "xy")
    return helper.make_graph([helper.make_node("Identity", ["x"], ["y"], "pass")], name, [x], [y], initializer=inits, sparse_initializer=sparse)


# Every element type, in its typed field and as raw_data.
SAMPLES = {
    T.FLOAT: [0.1, -0.0, float("inf"), 1e-42], T.DOUBLE: [0.1, -1e300, 5e-324, 2], T.FLOAT16: [1.5, -65504, 6e-8, 0.1],
    T.BFLOAT16: [1.5, -3e38, 0.1, 1e-40], T.INT8: [-128, 127, 0, -1], T.UINT8: [0, 255, 128, 1], T.INT16: [-32768, 32767, 0, -1],
    T.UINT16: [0, 65535, 32768, 1], T.INT32: [-2**31, 2**31 - 1, 0, -1], T.UINT32: [0, 2**32 - 1, 2**31, 1],
    T.INT64: [-2**63, 2**63 - 1, 0, -1], T.UINT64: [0, 2**64 - 1, 2**63, 1], T.BOOL: [True, False, True, True],
}
for raw in (False, True):
    file, inits = ("raw.onnx" if raw else "typed.onnx"), []
    for dtype, vals in SAMPLES.items():
        array = np.array(vals, dtype=helper.tensor_dtype_to_np_dtype(dtype)).reshape(2, 2)
        name = helper.tensor_dtype_to_string(dtype).removeprefix("TensorProto.").lower()
        # make_tensor keeps float16 as values or as bits depending on its version; from_array writes raw_data.
        t = numpy_helper.from_array(array, name)
        if not raw:
            bits = array.view(np.uint16).ravel().tolist() if dtype in (T.FLOAT16, T.BFLOAT16) else array.ravel().tolist()
            t.ClearField("raw_data")
            field = {T.FLOAT: t.float_data, T.DOUBLE: t.double_data, T.INT64: t.int64_data, T.UINT32: t.uint64_data,
                     T.UINT64: t.uint64_data}.get(dtype, t.int32_data)
            field.extend(int(v) if dtype == T.BOOL else v for v in bits)
        inits.append(t)
        note(file, name, t)
    for name, array in (("scalar", np.float32(2.5)), ("empty", np.zeros((0, 3), np.float32))):
        inits.append(numpy_helper.from_array(np.asarray(array), name))
        note(file, name, inits[-1])
    save(file, helper.make_model(identity(inits), **NEWEST))

# Element types that are kept but not converted.
other = [helper.make_tensor("string", T.STRING, [2], [b"a", b"b"]), helper.make_tensor("int4", T.INT4, [3], [1, -2, 3]),
         helper.make_tensor("complex64", T.COMPLEX64, [1], [1 + 2j]), helper.make_tensor("float8e5m2", T.FLOAT8E5M2, [2], [1, 2])]
save("other-types.onnx", helper.make_model(identity(other), **NEWEST))

# External data: offsets, a length left out, two tensors in one place, another file in a folder below.
rng = np.random.default_rng(0)
arrays = {n: rng.standard_normal(s).astype(np.float32) for n, s in (("a", (3, 4)), ("b", (5,)), ("c", (2, 2)))}
(OUT / "sub").mkdir(exist_ok=True)
(OUT / "external.bin").write_bytes(b"\0" * 16 + arrays["a"].tobytes() + b"\1" * 4 + arrays["b"].tobytes())
(OUT / "sub" / "more.bin").write_bytes(arrays["c"].tobytes())


def external(name, array, **entries):
    t = T(name=name, dims=array.shape, data_type=T.FLOAT, data_location=T.EXTERNAL)
    for k, v in entries.items():
        t.external_data.add(key=k, value=str(v))
    note("external.onnx", name, t, array)
    return t


inits = [external("a", arrays["a"], location="external.bin", offset=16, length=48, checksum="00" * 20, note="kept"),
         external("a_again", arrays["a"], location="external.bin", offset=16, length=48),
         external("b", arrays["b"], location="external.bin", offset=68),
         external("c", arrays["c"], location="sub/more.bin", length=16)]
save("external.onnx", helper.make_model(identity(inits), **NEWEST), check=False)

# Sparse constants, with flat indices and with coordinates.
vals = numpy_helper.from_array(np.array([1.5, -2, 3], np.float32), "flat")
flat = helper.make_sparse_tensor(vals, numpy_helper.from_array(np.array([1, 4, 11], np.int64)), [3, 4])
vals2 = numpy_helper.from_array(np.array([1.5, -2, 3], np.float32), "coords")
coords = helper.make_sparse_tensor(vals2, numpy_helper.from_array(np.array([[0, 1], [1, 0], [2, 3]], np.int64)), [3, 4])
dense = np.zeros(12, np.float32)
dense[[1, 4, 11]] = [1.5, -2, 3]
for t, v in ((flat, vals), (coords, vals2)):
    note("sparse.onnx", v.name, v, dense.reshape(3, 4))
save("sparse.onnx", helper.make_model(identity([], [flat, coords]), **NEWEST))

# Functions: attributes with and without defaults, a function that calls another, an overload, other operator sets.
sets = [helper.make_opsetid("", 17)]
leaky = helper.make_function("own", "Leaky", ["x"], ["y"], [helper.make_node("LeakyRelu", ["x"], ["y"], "act")], sets,
                             attributes=["slope"])
leaky.node[0].attribute.add(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
scaled = helper.make_function("own", "Scaled", ["x"], ["y"], [
    helper.make_node("Constant", [], ["c"]), helper.make_node("Leaky", ["x"], ["z"], domain="own"), helper.make_node("Mul", ["z", "c"], ["y"])],
    sets + [helper.make_opsetid("own", 1)], attributes=["slope"], attribute_protos=[helper.make_attribute("factor", 2.0)])
scaled.node[0].attribute.add(name="value_float", ref_attr_name="factor", type=onnx.AttributeProto.FLOAT)
scaled.node[1].attribute.add(name="slope", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
other = helper.make_function("own", "Scaled", ["x"], ["y"], [helper.make_node("Neg", ["x"], ["y"])], sets, overload="negative")
x, y = (helper.make_tensor_value_info(n, T.FLOAT, ["N", 3, "H", "W"]) for n in "xy")
calls = [helper.make_node("Scaled", ["x"], ["a"], "first", domain="own", slope=0.25),
         helper.make_node("Scaled", ["a"], ["b"], "second", domain="own", factor=3.0),
         helper.make_node("Scaled", ["b"], ["y"], "third", domain="own", overload="negative")]
save("functions.onnx", helper.make_model(helper.make_graph(calls, "g", [x], [y]), functions=[leaky, scaled, other], ir_version=10,
                                         opset_imports=[helper.make_opsetid("ai.onnx", 20), helper.make_opsetid("own", 1)]))

# Nested graphs that use outer values, the nodes in the wrong order, and inputs with defaults (IR version 3 style).
inner = helper.make_graph([helper.make_node("Add", ["k", "w"], ["i"])], "inner", [], [helper.make_tensor_value_info("i", T.FLOAT, None)])
plain = helper.make_graph([helper.make_node("Identity", ["x"], ["p"])], "plain", [], [helper.make_tensor_value_info("p", T.FLOAT, None)])
middle = helper.make_graph([helper.make_node("Mul", ["h", "w"], ["k"]),
                            helper.make_node("If", ["cond"], ["m"], "inner_if", then_branch=inner, else_branch=plain)],
                           "middle", [], [helper.make_tensor_value_info("m", T.FLOAT, None)])
nodes = [helper.make_node("If", ["cond"], ["y"], "if", then_branch=middle, else_branch=plain),
         helper.make_node("Relu", ["x"], ["h"], "relu")]
w = numpy_helper.from_array(np.float32([2]), "w")
graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("cond", T.BOOL, []), helper.make_tensor_value_info("w", T.FLOAT, [1]),
                                       helper.make_tensor_value_info("x", T.FLOAT, ["N"])],
                          [helper.make_tensor_value_info("y", T.FLOAT, ["N"])], initializer=[w])
save("nested.onnx", helper.make_model(graph, ir_version=3, opset_imports=[helper.make_opsetid("", 8)]), check=False)

# Metadata, documentation, devices, and fields that no version of the format has.
model = helper.make_model(identity([numpy_helper.from_array(np.float32([1, 2]), "w")]), producer_name="maker", producer_version="1.2",
                          doc_string="two\nlines", **NEWEST)
helper.set_model_props(model, {"first": "1", "second": "zwei ä"})
model.graph.node[0].metadata_props.add(key="namespace", value="a/b")
model.configuration.add(name="cfg", num_devices=2, device=["gpu0", "gpu1"])
model.graph.node[0].device_configurations.add(configuration_id="cfg", pipeline_stage=1)
unknown = bytes([0x82, 0x7D, 3]) + b"new"  # field 2000
model.graph.node[0].MergeFromString(unknown)
model.graph.initializer[0].MergeFromString(unknown)
model.graph.MergeFromString(unknown)
model.MergeFromString(unknown)
save("metadata.onnx", model)

(OUT / "values.json").write_text(json.dumps(values, indent=1) + "\n")

# What TestBuilder builds.
info = lambda name, channels: helper.make_tensor_value_info(name, T.FLOAT, ["N", channels, "H", None])
w = helper.make_tensor("body.0.weight", T.FLOAT, [2, 3, 1, 1], np.arange(1, 7, dtype=np.float32).tobytes(), raw=True)
nodes = [helper.make_node("Conv", ["x", "body.0.weight"], ["conv_0"], "conv_0", kernel_shape=[1, 1], pads=[0, 0, 0, 0]),
         helper.make_node("Relu", ["conv_0"], ["relu_0"], "relu_0"), helper.make_node("Split", ["relu_0"], ["split_0_0", "split_0_1"], "split_0", axis=1),
         helper.make_node("Add", ["split_0_0", "split_0_1"], ["output"], "add_0")]
built = helper.make_model(helper.make_graph(nodes, "net", [info("x", 3)], [info("output", 1)], initializer=[w]), producer_name="gansr",
                          ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
helper.set_model_props(built, {"gansr.scale": "1"})
save("built.onnx", built)
