"""Makes a small upscaler, quantised to 8 bits in both forms that ONNX Runtime writes, and its results.

Writes int8/{qdq,qoperator}/{model.onnx,test_data_set_0/*.pb}. Needs numpy, onnx 1.23 and onnxruntime 1.31:

    python int8.py
"""

import pathlib
import shutil
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization

ROOT = pathlib.Path(__file__).with_name("int8")
SHAPE = (1, 3, 12, 10)
rng = np.random.default_rng(7)


def conv(name, x, cin, cout, inits, group=1):
    inits += [
        numpy_helper.from_array((rng.standard_normal((cout, cin // group, 3, 3)) / np.sqrt(9 * cin / group)).astype(np.float32), name + ".weight"),
        numpy_helper.from_array((0.1 * rng.standard_normal(cout)).astype(np.float32), name + ".bias"),
    ]
    return helper.make_node("Conv", [x, name + ".weight", name + ".bias"], [name], name, kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=group)


def network():
    """Convolutions, one of them by channels, a residual, and a shuffle of pixels: twice as large."""
    inits = []
    nodes = [
        conv("head", "x", 3, 16, inits),
        helper.make_node("Relu", ["head"], ["a"], "relu"),
        conv("depthwise", "a", 16, 16, inits, 16),
        helper.make_node("Relu", ["depthwise"], ["b"], "relu_1"),
        conv("body", "b", 16, 16, inits),
        helper.make_node("Add", ["body", "a"], ["c"], "add"),
        conv("tail", "c", 16, 12, inits),
        helper.make_node("DepthToSpace", ["tail"], ["y"], "shuffle", blocksize=2),
    ]
    image = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "int8", [image("x", [1, 3, "h", "w"])], [image("y", [1, 3, "2*h", "2*w"])], inits)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class Pictures(quantization.CalibrationDataReader):
    def __init__(self):
        self.left = [{"x": rng.random(SHAPE, np.float32)} for _ in range(8)]

    def get_next(self):
        return self.left.pop() if self.left else None


shutil.rmtree(ROOT, ignore_errors=True)
with tempfile.TemporaryDirectory() as folder:
    source = pathlib.Path(folder) / "float.onnx"
    onnx.save(network(), source)
    x = rng.random(SHAPE, np.float32)
    for name, form, per_channel in (("qdq", quantization.QuantFormat.QDQ, True), ("qoperator", quantization.QuantFormat.QOperator, False)):
        case = ROOT / name
        (case / "test_data_set_0").mkdir(parents=True)
        quantization.quantize_static(source, case / "model.onnx", Pictures(), quant_format=form, per_channel=per_channel,
                                     activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8)
        options = onnxruntime.SessionOptions()  # as the file says, without fusing what it rounds between
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        y, = onnxruntime.InferenceSession(case / "model.onnx", options, providers=["CPUExecutionProvider"]).run(None, {"x": x})
        for kind, value, key in (("input", x, "x"), ("output", y, "y")):
            (case / "test_data_set_0" / f"{kind}_0.pb").write_bytes(numpy_helper.from_array(value, key).SerializeToString())
