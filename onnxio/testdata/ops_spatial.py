"""Makes onnxio/testdata/ops/spatial: small models of convolutions, normalisations, pools and resampling, with inputs
and the outputs that ONNX Runtime computes (where it does not: PyTorch, or ONNX's reference implementation), in the
format of the ONNX project's tests.

    python ops_spatial.py          needs numpy, onnx, onnxruntime and torch
"""

import pathlib
import shutil

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

ROOT = pathlib.Path(__file__).parent / "ops" / "spatial"
rng = np.random.default_rng(7)


def rand(*shape, dtype=np.float32):
    return (rng.standard_normal(shape)).astype(dtype)


def ints(*shape, dtype=np.uint8):
    return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def f32(*v):
    return np.array(v, np.float32)


def i64(*v):
    return np.array(v, np.int64)


def save(name, nodes, inputs, opset, outputs=1, constants=(), want=None):
    """inputs are arrays or None; those whose index is in constants become initialisers. nodes is (op, attributes)
    or a list of helper nodes from x0, x1 ... to y0, y1 ..."""
    names = ["" if a is None else f"x{i}" for i, a in enumerate(inputs)]
    outs = [f"y{i}" for i in range(outputs)]
    if isinstance(nodes, tuple):
        op, attrs = nodes
        nodes = [helper.make_node(op, names, outs, name=name, **attrs)]
    infos, inits = [], []
    for i, a in enumerate(inputs):
        if a is None:
            continue
        if i in constants:
            inits.append(numpy_helper.from_array(a, names[i]))
        else:
            infos.append(helper.make_tensor_value_info(names[i], helper.np_dtype_to_tensor_dtype(a.dtype), a.shape))
    graph = helper.make_graph(nodes, name, infos, [helper.make_empty_tensor_value_info(o) for o in outs], inits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(model)
    feed = {names[i]: a for i, a in enumerate(inputs) if a is not None and i not in constants}
    if want == "reference":
        want = ReferenceEvaluator(model).run(outs, feed)
    elif want is None:
        options = ort.SessionOptions()
        options.log_severity_level = 4
        try:
            want = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(outs, feed)
        except Exception as e:
            raise SystemExit(f"{name}: {e}") from e
    for o, w in zip(outs, want):
        info = helper.make_tensor_value_info(o, helper.np_dtype_to_tensor_dtype(w.dtype), w.shape)
        [v for v in model.graph.output if v.name == o][0].CopyFrom(info)
    del model.graph.value_info[:]
    folder = ROOT / name / "test_data_set_0"
    folder.mkdir(parents=True)
    (ROOT / name / "model.onnx").write_bytes(model.SerializeToString())
    for i, (n, a) in enumerate(feed.items()):
        (folder / f"input_{i}.pb").write_bytes(numpy_helper.from_array(a, n).SerializeToString())
    for i, (n, a) in enumerate(zip(outs, want)):
        (folder / f"output_{i}.pb").write_bytes(numpy_helper.from_array(a, n).SerializeToString())


def convolutions():
    save("conv_1d", ("Conv", dict(pads=[2, 1], strides=[2], dilations=[2])), [rand(2, 3, 9), rand(4, 3, 3), rand(4)], 7, constants=(1, 2))
    save("conv_2d_groups", ("Conv", dict(group=2, pads=[1, 0, 2, 1], strides=[1, 2])), [rand(1, 4, 6, 7), rand(6, 2, 3, 2)], 11, constants=(1,))
    save("conv_depthwise", ("Conv", dict(group=5, pads=[1, 1, 1, 1])), [rand(1, 5, 5, 4), rand(5, 1, 3, 3), rand(5)], 11, constants=(1, 2))
    save("conv_3d", ("Conv", dict(pads=[1, 0, 1, 0, 1, 1], strides=[1, 2, 1])), [rand(1, 2, 3, 4, 5), rand(2, 2, 2, 3, 2), rand(2)], 11, constants=(1, 2))
    save("conv_weights_from_outside", ("Conv", dict(kernel_shape=[3, 3])), [rand(1, 2, 5, 5), rand(3, 2, 3, 3), rand(3)], 22)
    x, w = rand(1, 2, 7, 8), rand(2, 2, 3, 3)
    save("conv_same_upper", ("Conv", dict(auto_pad="SAME_UPPER", strides=[2, 3])), [x, w], 11, constants=(1,))
    save("conv_same_lower", ("Conv", dict(auto_pad="SAME_LOWER", strides=[2, 3])), [x, w], 11, constants=(1,))
    save("conv_valid", ("Conv", dict(auto_pad="VALID", strides=[2, 3])), [x, w], 11, constants=(1,))
    t = torch.nn.functional
    save("conv_same_upper_dilated", ("Conv", dict(auto_pad="SAME_UPPER", dilations=[2, 3])), [x, w], 11, constants=(1,),
         want=[t.conv2d(torch.tensor(x), torch.tensor(w), dilation=(2, 3), padding="same").numpy()])
    save("conv_negative_pads", ("Conv", dict(pads=[-1, 1, 0, -2])), [x, w], 11, constants=(1,),
         want=[t.conv2d(t.pad(torch.tensor(x), (1, -2, -1, 0)), torch.tensor(w)).numpy()])
    save("conv_float64", ("Conv", dict(pads=[1, 1, 1, 1])), [rand(1, 2, 3, 3, dtype=np.float64), rand(2, 2, 3, 3, dtype=np.float64)], 11, constants=(1,),
         want="reference")
    save("conv_float16", ("Conv", dict(pads=[1, 1, 1, 1])), [rand(1, 2, 3, 3, dtype=np.float16), rand(2, 2, 3, 3, dtype=np.float16), rand(2, dtype=np.float16)],
         11, constants=(1, 2))
    save("conv_no_batch", ("Conv", dict()), [rand(0, 2, 4, 4), rand(3, 2, 3, 3)], 11, constants=(1,))

    save("convtranspose_1d", ("ConvTranspose", dict(strides=[2], pads=[1, 0], output_padding=[1])), [rand(2, 3, 5), rand(3, 2, 3), rand(2)], 7, constants=(1, 2))
    x, w = rand(1, 4, 4, 3), rand(4, 2, 3, 4)
    save("convtranspose_groups", ("ConvTranspose", dict(group=2, strides=[2, 3], dilations=[1, 2], pads=[1, 2, 0, 1])), [x, w, rand(4)], 11, constants=(1, 2))
    save("convtranspose_x4", ("ConvTranspose", dict(strides=[4, 4], pads=[2, 2, 2, 2])), [rand(1, 2, 3, 3), rand(2, 3, 8, 8)], 22, constants=(1,))
    save("convtranspose_3d", ("ConvTranspose", dict(strides=[1, 2, 2], pads=[0, 1, 0, 1, 0, 1])), [rand(1, 2, 2, 3, 3), rand(2, 2, 2, 3, 2)], 11, constants=(1,))
    for mode in "SAME_UPPER", "SAME_LOWER", "NOTSET":
        save(f"convtranspose_output_shape_{mode.lower()}", ("ConvTranspose", dict(strides=[2, 2], auto_pad=mode, output_shape=[8, 7])), [x, w], 11, constants=(1,))
    save("convtranspose_same_upper", ("ConvTranspose", dict(strides=[2, 1], auto_pad="SAME_UPPER")), [x, w], 11, constants=(1,))
    save("convtranspose_same_lower", ("ConvTranspose", dict(strides=[2, 1], auto_pad="SAME_LOWER")), [x, w], 11, constants=(1,))
    save("convtranspose_weights_from_outside", ("ConvTranspose", dict(strides=[2, 2])), [x, w, rand(2)], 11)


def normalisations():
    def stats(c, dtype=np.float32):
        return [rand(c, dtype=dtype), rand(c, dtype=dtype), rand(c, dtype=dtype), np.abs(rand(c, dtype=dtype)) + dtype(0.1)]

    for opset in 7, 9, 14, 15:
        save(f"batchnorm_{opset}", ("BatchNormalization", dict(epsilon=1e-3)), [rand(2, 3, 2, 3), *stats(3)], opset, constants=(1, 2, 3, 4) if opset > 9 else ())
    save("batchnorm_rank_2", ("BatchNormalization", dict()), [rand(4, 3), *stats(3)], 15)
    save("batchnorm_float64", ("BatchNormalization", dict()), [rand(2, 3, 4, dtype=np.float64), *stats(3, np.float64)], 15)
    save("batchnorm_float16", ("BatchNormalization", dict()), [rand(2, 3, 4, dtype=np.float16), *stats(3, np.float16)], 15)
    nodes = [helper.make_node("Conv", ["x0", "x1"], ["a"], pads=[1, 1, 1, 1]),
             helper.make_node("BatchNormalization", ["a", "x2", "x3", "x4", "x5"], ["b"]),
             helper.make_node("Relu", ["b"], ["y0"])]
    save("conv_batchnorm_relu", nodes, [rand(1, 2, 4, 4), rand(3, 2, 3, 3), *stats(3)], 15, constants=(1, 2, 3, 4, 5))
    nodes[0] = helper.make_node("ConvTranspose", ["x0", "x1"], ["a"], strides=[2, 2])
    save("convtranspose_batchnorm_relu", nodes, [rand(1, 2, 3, 3), rand(2, 3, 2, 2), *stats(3)], 15, constants=(1, 2, 3, 4, 5))

    save("instancenorm", ("InstanceNormalization", dict(epsilon=1e-2)), [rand(2, 3, 4, 5), rand(3), rand(3)], 7)
    save("instancenorm_1d", ("InstanceNormalization", dict()), [rand(2, 3, 7) + 50, rand(3), rand(3)], 22)
    save("groupnorm_18", ("GroupNormalization", dict(num_groups=2)), [rand(2, 4, 3, 2), rand(2), rand(2)], 18)
    save("groupnorm_21", ("GroupNormalization", dict(num_groups=2)), [rand(2, 4, 3, 2), rand(4), rand(4)], 21)
    save("layernorm", ("LayerNormalization", dict(axis=2)), [rand(2, 3, 4, 5), rand(4, 5), rand(4, 5)], 17, outputs=3)
    x, w = rand(3, 6) + 1000, rand(6)
    save("layernorm_large_mean", ("LayerNormalization", dict()), [x, w], 17,
         want=[torch.nn.functional.layer_norm(torch.tensor(x).double(), (6,), torch.tensor(w).double()).float().numpy()])
    save("layernorm_broadcast", ("LayerNormalization", dict(axis=1)), [rand(2, 3, 4), rand(4), rand(3, 1)], 17)
    save("layernorm_float16", ("LayerNormalization", dict()), [rand(2, 3, 8, dtype=np.float16), rand(8, dtype=np.float16), rand(8, dtype=np.float16)], 17)
    save("layernorm_float64", ("LayerNormalization", dict()), [rand(2, 8, dtype=np.float64), rand(8, dtype=np.float64)], 17)
    x, w = rand(2, 3, 8), rand(8)
    save("rmsnorm", ("RMSNormalization", dict(epsilon=1e-4)), [x, w], 23,
         want=[torch.nn.functional.rms_norm(torch.tensor(x), (8,), torch.tensor(w), 1e-4).numpy()])
    save("lrn", ("LRN", dict(size=5, alpha=0.3, beta=0.6, bias=1.5)), [rand(2, 7, 2, 3)], 13)
    save("lpnorm", ("LpNormalization", dict(axis=1, p=1)), [rand(2, 4, 3)], 22)


def pools():
    x = rand(2, 3, 7, 6)
    save("maxpool_7", ("MaxPool", dict(kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1])), [x], 7)
    for order in 0, 1:
        save(f"maxpool_indices_{order}", ("MaxPool", dict(kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1], storage_order=order)), [x], 8, outputs=2)
        save(f"maxpool_indices_3d_{order}", ("MaxPool", dict(kernel_shape=[2, 2, 2], storage_order=order)), [rand(1, 2, 3, 3, 4)], 12, outputs=2)
    save("maxpool_ceil_dilated", ("MaxPool", dict(kernel_shape=[2, 3], strides=[3, 2], dilations=[2, 1], ceil_mode=1, pads=[0, 1, 1, 0])), [x], 10)
    save("maxpool_same_lower", ("MaxPool", dict(kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER")), [x], 12)
    save("maxpool_1d", ("MaxPool", dict(kernel_shape=[3], strides=[2])), [rand(1, 2, 8)], 12)
    save("maxpool_3d", ("MaxPool", dict(kernel_shape=[2, 1, 3], strides=[1, 2, 1], pads=[1, 0, 1, 0, 0, 1])), [rand(1, 2, 3, 4, 4)], 12)
    save("maxpool_int8", ("MaxPool", dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])), [ints(1, 2, 6, 6, dtype=np.int8)], 12)
    save("maxpool_uint8", ("MaxPool", dict(kernel_shape=[2, 2], strides=[2, 2])), [ints(1, 2, 6, 6)], 12)
    save("maxpool_float64", ("MaxPool", dict(kernel_shape=[2, 2])), [rand(1, 1, 4, 4, dtype=np.float64)], 12)
    save("maxpool_float16", ("MaxPool", dict(kernel_shape=[2, 2])), [rand(1, 1, 4, 4, dtype=np.float16)], 12)
    for include in 0, 1:
        attrs = dict(kernel_shape=[3, 2], pads=[1, 0, 1, 1], count_include_pad=include)
        save(f"averagepool_7_{include}", ("AveragePool", dict(strides=[2, 1], **attrs)), [x], 7)
        save(f"averagepool_ceil_{include}", ("AveragePool", dict(strides=[3, 4], ceil_mode=1, **attrs)), [x], 19)
        save(f"averagepool_dilated_{include}", ("AveragePool", dict(dilations=[2, 3], **attrs)), [x], 19)
    save("averagepool_3d", ("AveragePool", dict(kernel_shape=[2, 2, 3], strides=[1, 2, 1], pads=[0, 1, 1, 1, 0, 1])), [rand(1, 2, 3, 4, 4)], 11)
    save("averagepool_same_upper", ("AveragePool", dict(kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")), [x], 11)
    save("averagepool_1d_float64", ("AveragePool", dict(kernel_shape=[3])), [rand(1, 1, 6, dtype=np.float64)], 22, want="reference")
    save("lppool_2", ("LpPool", dict(kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1])), [x], 7)
    save("lppool_18", ("LpPool", dict(kernel_shape=[2, 2], p=3, dilations=[2, 1], ceil_mode=1, strides=[2, 2])), [x], 18)
    for op in "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool":
        save(op.lower(), (op, dict()), [x], 13)
        save(op.lower() + "_3d", (op, dict()), [rand(1, 2, 2, 3, 2)], 13)


def resizes():
    x = rand(1, 2, 5, 6)

    def resize(name, scales=None, sizes=None, roi=None, x=x, opset=19, want=None, **attrs):
        if opset == 11 and roi is None:  # not optional yet
            roi = f32()
        save("resize_" + name, ("Resize", attrs), [x, roi, scales, sizes][:4 if sizes is not None else 3], opset, constants=(1, 2, 3), want=want)

    up, down, mixed = f32(1, 1, 2, 2.6), f32(1, 1, 0.6, 0.8), f32(1, 1, 1.5, 0.5)
    for coordinates in "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric":
        for rounding in "round_prefer_floor", "round_prefer_ceil", "floor", "ceil":
            resize(f"nearest_{coordinates}_{rounding}", sizes=i64(1, 2, 10, 4), mode="nearest", coordinate_transformation_mode=coordinates, nearest_mode=rounding)
        for mode in "linear", "cubic":
            resize(f"{mode}_{coordinates}_up", sizes=i64(1, 2, 10, 9), mode=mode, coordinate_transformation_mode=coordinates)
            resize(f"{mode}_{coordinates}_down", sizes=i64(1, 2, 3, 4), mode=mode, coordinate_transformation_mode=coordinates)
    for opset in 11, 13, 18:
        resize(f"linear_{opset}", scales=up, opset=opset, mode="linear")
        resize(f"cubic_{opset}", scales=down, opset=opset, mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1)
        resize(f"nearest_{opset}", scales=mixed, opset=opset, mode="nearest")
    for mode in "linear", "cubic":
        for a in 0, 1:
            resize(f"{mode}_antialias_{a}", sizes=i64(1, 2, 2, 4), mode=mode, antialias=1, exclude_outside=a, cubic_coeff_a=-0.5)
        resize(f"{mode}_one_axis", sizes=i64(1, 2, 5, 9), mode=mode)
        resize(f"{mode}_other_axis", sizes=i64(1, 2, 8, 6), mode=mode)
        resize(f"{mode}_float16", sizes=i64(1, 1, 6, 6), mode=mode, x=rand(1, 1, 3, 3, dtype=np.float16))
        roi = f32(0, 0, 0.3, -0.2, 1, 1, 0.8, 0.9)
        resize(f"{mode}_crop", sizes=i64(1, 2, 4, 6), roi=roi, mode=mode, coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=3.0, want="reference")
    resize("nearest_x2", scales=f32(1, 1, 2, 2), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    resize("nearest_x3", scales=f32(1, 1, 3, 3), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    resize("nearest_uint8", scales=f32(1, 1, 2, 2), mode="nearest", x=ints(1, 1, 2, 3))
    resize("nearest_int32", sizes=i64(2, 7), mode="nearest", x=ints(3, 4, dtype=np.int32))
    resize("linear_1d", sizes=i64(9), mode="linear", x=rand(4), want="reference")
    resize("linear_3d", sizes=i64(1, 1, 4, 5, 3), mode="linear", x=rand(1, 1, 3, 3, 4))
    resize("nearest_batch", scales=f32(2, 1, 1.5, 2), mode="nearest", x=rand(1, 2, 2, 2))
    resize("linear_axes", sizes=i64(9, 4), axes=[-1, 2], mode="linear")
    resize("not_larger", sizes=i64(8, 7), axes=[2, 3], mode="linear", keep_aspect_ratio_policy="not_larger")
    resize("not_smaller", sizes=i64(8, 7), axes=[2, 3], mode="linear", keep_aspect_ratio_policy="not_smaller")
    for name, scales in dict(up=up, down=down, mixed=mixed).items():
        save(f"resize_10_nearest_{name}", ("Resize", dict(mode="nearest")), [x, scales], 10, constants=(1,))
        save(f"resize_10_linear_{name}", ("Resize", dict(mode="linear")), [x, scales], 10, constants=(1,))
    for mode in "nearest", "linear":
        save(f"upsample_7_{mode}", ("Upsample", dict(mode=mode, scales=[1.0, 1.0, 2.0, 1.5])), [x], 7)
        save(f"upsample_9_{mode}", ("Upsample", dict(mode=mode)), [x, f32(1, 1, 3, 2)], 9, constants=(1,))


def grids():
    x = rand(2, 3, 4, 5)
    grid = (rng.random((2, 3, 4, 2), np.float32) * 3 - 1.5).astype(np.float32)
    for align in 0, 1:
        for padding in "zeros", "border", "reflection":
            for mode in "bilinear", "nearest", "bicubic":
                save(f"gridsample_{mode}_{padding}_{align}", ("GridSample", dict(mode=mode, padding_mode=padding, align_corners=align)), [x, grid], 16)
    x = rand(1, 2, 3, 4, 2)
    grid = (rng.random((1, 2, 3, 2, 3), np.float32) * 2.4 - 1.2).astype(np.float32)
    for padding in "zeros", "border", "reflection":
        for mode in "linear", "nearest":
            save(f"gridsample_3d_{mode}_{padding}", ("GridSample", dict(mode=mode, padding_mode=padding)), [x, grid], 20)


if __name__ == "__main__":
    shutil.rmtree(ROOT, ignore_errors=True)
    convolutions()
    normalisations()
    pools()
    resizes()
    grids()
    print(sum(f.stat().st_size for f in ROOT.rglob("*") if f.is_file()), "bytes in", len(list(ROOT.iterdir())), "cases")
