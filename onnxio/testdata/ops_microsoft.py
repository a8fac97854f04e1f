"""Models of operators that ONNX Runtime writes when it quantises or optimises networks, with its outputs.

Writes ops/microsoft/NAME/{model.onnx,test_data_set_0/*.pb}. Needs numpy, onnx and onnxruntime:

    python ops_microsoft.py
"""

import functools
import shutil

import numpy as np
import ops_data
from ops_data import noise

ops_data.ROOT = ops_data.ROOT.parent / "microsoft"
case = functools.partial(ops_data.case, opset=17, domain="com.microsoft")


def f32(v):
    return np.array(v, np.float32)


def whole(dtype, *shape):
    info = np.iinfo(dtype)
    return np.random.default_rng(len(shape) + sum(shape)).integers(info.min, info.max + 1, shape).astype(dtype)


def quantised(x, scale, zero):
    """An operand with its scale and zero point."""
    return [x, f32(scale), np.array(zero, x.dtype)]


def result(scale, zero, dtype):
    return [f32(scale), np.array(zero, dtype)]


def main():
    shutil.rmtree(ops_data.ROOT, ignore_errors=True)
    for dtype, zero in ((np.uint8, 113), (np.int8, -9)):
        name = np.dtype(dtype).name
        a, b = quantised(whole(dtype, 2, 3, 4, 5), 0.0371, zero), quantised(whole(dtype, 3, 1, 1), 0.0123, zero + 2)
        for op, scale in (("Add", 0.043), ("Mul", 0.057)):
            case(f"qlinear{op.lower()}_{name}", "QLinear" + op, inputs=a + b + result(scale, zero + 5, dtype))
        case(f"qlinearadd_{name}_scalar", "QLinearAdd", inputs=a + quantised(whole(dtype, 1).reshape(()), 0.02, zero) + result(0.043, zero, dtype))
        for alpha in (0.01, 0.2):
            case(f"qlinearleakyrelu_{name}_{alpha}", "QLinearLeakyRelu", inputs=a + result(0.0291, zero - 7, dtype), alpha=alpha)
        case(f"qlinearsigmoid_{name}", "QLinearSigmoid", inputs=a + result(1 / 256, np.iinfo(dtype).min, dtype))
        for opset, axis in ((13, -1), (13, 1), (11, 1)):
            case(f"qlinearsoftmax_{name}_{opset}_{axis}", "QLinearSoftmax", inputs=a + result(1 / 256, np.iinfo(dtype).min, dtype), axis=axis, further={"opset": opset})
        case(f"qlinearconcat_{name}", "QLinearConcat", inputs=result(0.05, zero, dtype) + a + quantised(whole(dtype, 2, 2, 4, 5), 0.05, zero) + quantised(whole(dtype, 2, 1, 4, 5), 0.11, zero + 3), axis=1)
        case(f"qlinearaveragepool_{name}", "QLinearAveragePool", inputs=a + result(0.031, zero, dtype), kernel_shape=[2, 3], strides=[2, 1], pads=[1, 0, 0, 1])
        case(f"qlinearaveragepool_{name}_nhwc", "QLinearAveragePool", inputs=a + result(0.031, zero, dtype), kernel_shape=[2, 2], count_include_pad=1, pads=[1, 1, 0, 0], channels_last=1)
        for last in (0, 1):
            case(f"qlinearglobalaveragepool_{name}_{last}", "QLinearGlobalAveragePool", inputs=a + result(0.0171, zero, dtype), channels_last=last)
        case(f"nhwcmaxpool_{name}", "NhwcMaxPool", inputs=[a[0]], kernel_shape=[2, 3], strides=[1, 2], pads=[1, 0, 0, 1])
        w = quantised(whole(np.int8, 6, 5, 3, 3), 0.0041, 0)
        for last in (0, 1):
            x = quantised(whole(dtype, 1, 6, 7, 5) if last else whole(dtype, 1, 5, 6, 7), 0.0371, zero)
            case(f"qlinearconv_{name}_{last}", "QLinearConv", inputs=x + w + result(0.17, zero, dtype) + [np.arange(6, dtype=np.int32) * 900], constant=(1, 2, 3, 4, 5, 6, 7, 8),
                 channels_last=last, pads=[1, 1, 1, 1], kernel_shape=[3, 3])
        x, m = quantised(whole(dtype, 4, 9), 0.0371, zero), quantised(whole(np.int8, 9, 5), 0.021, 3)
        bias = np.arange(5, dtype=np.int32) * 700 - 1000
        case(f"qgemm_{name}", "QGemm", inputs=x + m + [bias] + result(0.35, zero, dtype), constant=(3, 4, 5, 6))
        case(f"qgemm_{name}_float", "QGemm", inputs=x + quantised(m[0].T.copy(), [0.021, 0.02, 0.01, 0.013, 0.018], [0, 0, 0, 0, 0]) + [bias], constant=(3, 4, 5, 6), transB=1, alpha=0.5)
        case(f"matmulintegertofloat_{name}", "MatMulIntegerToFloat", inputs=[whole(dtype, 2, 4, 9), m[0], f32(0.031), f32([0.021, 0.02, 0.01, 0.013, 0.018]), np.array(zero, dtype), np.zeros(5, np.int8), noise(5)])
    for zero in (None, np.array(4, np.int8)):
        case(f"dynamicquantizematmul_{zero}", "DynamicQuantizeMatMul", inputs=[noise(2, 4, 9), whole(np.int8, 9, 5), f32(0.021), zero, noise(5)][: 5 if zero is None else 4])
    for dtype in (np.uint16, np.int16):
        name = np.dtype(dtype).name
        case(f"quantizelinear_{name}", "QuantizeLinear", inputs=[noise(3, 4), f32([0.001, 0.002, 0.0003, 0.01]), np.array([7, 9, 30000, 1], dtype)], axis=1)
        case(f"dequantizelinear_{name}", "DequantizeLinear", inputs=[whole(dtype, 3, 4), f32(0.002), np.array(31, dtype)])

    x, w, b = noise(1, 3, 6, 7), noise(4, 3, 3, 3), noise(4)
    conv = dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    for name, params in (("Relu", None), ("Tanh", None), ("Sigmoid", None), ("LeakyRelu", [0.2]), ("Clip", [-0.5, 1.5]), ("HardSigmoid", [0.25, 0.4])):
        case(f"fusedconv_{name.lower()}", "FusedConv", inputs=[x, w, b], activation=name, **({"activation_params": params} if params else {}), **conv)
    case("fusedconv_sum", "FusedConv", inputs=[x, w, b, noise(1, 4, 6, 7)], activation="Relu", **conv)
    case("fusedconv_sum_plain", "FusedConv", inputs=[x, w, None, noise(1, 4, 6, 7)], **conv)
    for name, params in (("Relu", {}), ("LeakyRelu", {"activation_alpha": 0.3}), ("Elu", {"activation_alpha": 1.5}), ("Softplus", {})):
        case(f"fusedgemm_{name.lower()}", "FusedGemm", inputs=[noise(4, 6), noise(5, 6), noise(5)], transB=1, alpha=0.5, beta=2.0, activation=name, **params)
    case("fusedmatmul_plain", "FusedMatMul", inputs=[noise(2, 4, 6), noise(6, 5)], alpha=0.25)
    case("fusedmatmul_transposed", "FusedMatMul", inputs=[noise(2, 3, 6, 4), noise(2, 3, 5, 6)], alpha=1.5, transA=1, transB=1)
    case("fusedmatmul_batches_a", "FusedMatMul", inputs=[noise(4, 2, 3, 6), noise(2, 3, 5, 6)], transBatchA=1, transB=1)
    case("fusedmatmul_batches", "FusedMatMul", inputs=[noise(6, 2, 4), noise(6, 2, 5)], transBatchA=1, transA=1, transBatchB=1)
    case("gelu", "Gelu", inputs=[2 * noise(3, 7)])
    case("biasgelu", "BiasGelu", inputs=[4 * noise(2, 3, 7), noise(7)])
    case("fastgelu", "FastGelu", inputs=[2 * noise(3, 7)])
    case("fastgelu_bias", "FastGelu", inputs=[4 * noise(3, 7), noise(7)])
    case("quickgelu", "QuickGelu", inputs=[2 * noise(3, 7)])
    case("quickgelu_1", "QuickGelu", inputs=[2 * noise(3, 7)], alpha=1.0)
    case("skiplayernormalization", "SkipLayerNormalization", inputs=[noise(2, 3, 8), noise(2, 3, 8) * 2, noise(8), noise(8), noise(8) + 1], epsilon=1e-5)
    case("skiplayernormalization_plain", "SkipLayerNormalization", inputs=[noise(2, 3, 8), noise(1, 3, 8) * 2, noise(8)])
    case("skipsimplifiedlayernormalization", "SkipSimplifiedLayerNormalization", inputs=[noise(2, 3, 8), noise(2, 3, 8) * 2, noise(8), noise(8) + 1], epsilon=1e-5)
    case("simplifiedlayernormalization", "SimplifiedLayerNormalization", domain="", known=False, inputs=[noise(2, 3, 8), noise(8)], epsilon=1e-5, axis=-1)


main()
