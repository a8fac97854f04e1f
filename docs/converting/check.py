#!/usr/bin/env python3
"""Converts every file of folders with PyTorch's results and runs what gansr writes in other programs.

usage: check.py GANSR FOLDER [NAME...]

GANSR is the program. FOLDER holds a folder for each network with io.safetensors (input_a, output_a, input_b, output_b) and some of
model.pth, model.safetensors, legacy.onnx and dynamo.onnx. For each it prints the largest difference from PyTorch's results, relative to their range,
in ONNX Runtime, OpenVINO and, with --ncnn among the names, ncnn by way of pnnx. onnx.checker has to pass, with full inference of shapes.
Needs the Python packages numpy, onnx, onnxruntime, safetensors; openvino, pnnx and ncnn as far as they are asked for.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file

try:
    import openvino
except ImportError:
    openvino = None

FILES = ["model.pth", "model.safetensors", "legacy.onnx", "dynamo.onnx"]


def in_onnxruntime(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


def in_openvino(path):
    model = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda x: model([x])[0]


def in_ncnn(path):
    def run(x):
        import ncnn

        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, "net.onnx")
            onnx.save(onnx.load(path), copy)
            shape = "[" + ",".join(map(str, (1,) + x.shape[1:])) + "]f32"
            # pnnx writes weights in float16 unless it is told not to, which costs up to some 1e-3.
            done = subprocess.run(["pnnx", "net.onnx", "inputshape=" + shape, "fp16=0"], cwd=folder, capture_output=True, text=True, timeout=300)
            said = [line for line in (done.stdout + done.stderr).splitlines() if "not supported" in line or "ignore" in line]
            net = ncnn.Net()
            net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_fp16_packed = net.opt.use_bf16_storage = False
            if done.returncode or net.load_param(os.path.join(folder, "net.ncnn.param")) or net.load_model(os.path.join(folder, "net.ncnn.bin")):
                raise RuntimeError("; ".join(sorted(set(said))[:3]) or "pnnx ends with %d" % done.returncode)
            results = []
            for image in x:  # ncnn has no batches
                e = net.create_extractor()
                e.input("in0", ncnn.Mat(np.ascontiguousarray(image)).clone())
                status, y = e.extract("out0")
                if status:
                    raise RuntimeError("; ".join(sorted(set(said))[:3]) or "ncnn ends with %d" % status)
                results.append(np.array(y))
            return np.stack(results)

    return run


def difference(run, io, dims):
    """Returns the largest difference over the recorded inputs that a model of these dimensions takes, and how many it takes."""
    worst, n = 0.0, 0
    for k in "ab":
        x, want = io["input_" + k], io["output_" + k]
        if any(d.HasField("dim_value") and d.dim_value != s for d, s in zip(dims, x.shape)):
            continue
        got, n = run(x), n + 1
        if got.shape != want.shape:
            return float("inf"), n
        span = max(want.max(), 0) - min(want.min(), 0)
        worst = max(worst, float(np.abs(got - want).max() / span))
    return worst, n


def main():
    gansr, folder, names = sys.argv[1], sys.argv[2], [a for a in sys.argv[3:] if not a.startswith("--")]
    programs = {"onnxruntime": in_onnxruntime}
    if openvino:
        programs["openvino"] = in_openvino
    if "--ncnn" in sys.argv:
        programs = {"ncnn": in_ncnn}
    largest = {}
    for network in names or sorted(os.listdir(folder)):
        path = os.path.join(folder, network)
        if not os.path.exists(os.path.join(path, "io.safetensors")):
            continue
        io = load_file(os.path.join(path, "io.safetensors"))
        for file in FILES[:1] if "--ncnn" in sys.argv else FILES:
            if not os.path.exists(os.path.join(path, file)):
                continue
            with tempfile.TemporaryDirectory() as out:
                result = os.path.join(out, "out.onnx")
                subprocess.run([gansr, "convert", os.path.join(path, file), "-o", result, "-q"], check=True)
                model = onnx.load(result)
                onnx.checker.check_model(model, full_check=True)
                line = f"{network:28} {file:18} opset {model.opset_import[0].version}"
                for program, load in programs.items():
                    try:
                        d, n = difference(load(result), io, model.graph.input[0].type.tensor_type.shape.dim)
                        line += f"  {program} {d:.1e} on {n}"
                        key = (program, file)
                        if not d <= largest.get(key, (-1, ""))[0]:
                            largest[key] = d, network
                    except Exception as e:
                        line += f"  {program} fails: {str(e).strip().splitlines()[-1][:120] if str(e).strip() else type(e).__name__}"
                print(line, flush=True)
    for (program, file), (d, network) in largest.items():
        print(f"largest: {program} {file} {d:.1e} ({network})")


main()
