#!/usr/bin/env python3
"""Times gansr beside ONNX Runtime, and beside OpenVINO and ncnn where they are installed, and prints tables.

    docs/benchmarks/run.sh [--size 128] [--rounds 5] [--threads 2] [--peers ort] [--ncnn DIR] [MODEL.onnx ...]

makes a virtual environment with the peers in peers/ and runs this in the root of the repository. Without models it makes the
course generator, SRVGGNetCompact (64 features, 32 convolutions) and RRDBNet with `gansr models new`. A model whose input's size
is fixed runs at that size. DIR has what pnnx made of a network for ncnn, NAME.ncnn.param and NAME.ncnn.bin.

The programs take turns, each run in a process of its own with a warm-up, and the table has medians over the rounds: on a machine
that others use too, only numbers of the same call compare. The second table has gansr's speed in the operations of the definition
and in those that its products really do, beside the peak that was measured on the spot.
"""
import argparse, importlib.util, json, os, statistics, subprocess, sys, tempfile

NETWORKS = {"course": ["CourseGenerator"], "srvgg": ["SRVGGNetCompact", "num_feat=64", "num_conv=32"], "rrdb": ["RRDBNet"]}


def onnxruntime(model, noise, threads):
    import numpy as np
    import onnxruntime as ort
    o = ort.SessionOptions()
    o.intra_op_num_threads = threads
    s = ort.InferenceSession(model, o, providers=["CPUExecutionProvider"])
    feed = {i.name: noise(i.shape).astype(np.float16 if "float16" in i.type else np.float32) for i in s.get_inputs()}
    return lambda: s.run(None, feed)


def openvino(model, noise, threads, precision):
    import openvino as ov
    m = ov.Core().read_model(model)
    x = noise([d.get_length() if d.is_static else None for d in m.input(0).partial_shape])
    m.reshape(list(x.shape))
    c = ov.Core().compile_model(m, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision})
    return lambda: c([x])


def ncnn(model, noise, threads, precision):
    import ncnn
    import numpy as np
    net = ncnn.Net()
    net.opt.num_threads, net.opt.use_vulkan_compute, net.opt.use_bf16_storage = threads, False, precision == "bf16"
    net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_fp16_packed = False
    net.load_param(model + ".ncnn.param")
    net.load_model(model + ".ncnn.bin")
    x = noise([1, 3, None, None])[0]

    def run():
        e = net.create_extractor()
        e.input("in0", ncnn.Mat(x))
        return np.array(e.extract("out0")[1])
    return run


def peer(kind, model, size, runs, threads):
    """Child process: prints the median time in ms and the peak memory in MB."""
    import resource, time
    import numpy as np
    noise = lambda shape: np.random.RandomState(0).rand(*(d if isinstance(d, int) else n for d, n in zip(shape, (1, 3, size, size)))).astype(np.float32)
    name, _, precision = kind.partition("-")
    run = {"ort": lambda: onnxruntime(model, noise, threads), "ov": lambda: openvino(model, noise, threads, precision),
           "ncnn": lambda: ncnn(model, noise, threads, precision)}[name]()
    run()
    times = []
    for _ in range(runs):
        t = time.perf_counter()
        run()
        times.append((time.perf_counter() - t) * 1e3)
    print(statistics.median(times), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


def call(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="*")
    p.add_argument("--size", type=int, default=128)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--runs", type=int, default=3, help="in each process")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--memory", help="what gansr may take, such as 400MiB")
    p.add_argument("--gansr", help="a program to measure instead of building one")
    p.add_argument("--peers", default="ort,ov-f32,ov-bf16,ncnn-f32,ncnn-bf16", help="which of these to measure")
    p.add_argument("--ncnn", help="the folder of ncnn's files")
    p.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.child:
        return peer(a.child[0], a.child[1], a.size, a.runs, a.threads)
    with tempfile.TemporaryDirectory() as tmp:
        gansr = a.gansr or os.path.join(tmp, "gansr")
        if not a.gansr:
            subprocess.run(["go", "build", "-o", gansr, "./cmd/gansr"], check=True, env={**os.environ, "CGO_ENABLED": "0"})
        models = {os.path.splitext(os.path.basename(m))[0]: m for m in a.models}
        for name, args in NETWORKS.items() if not models else ():
            models[name] = os.path.join(tmp, name + ".onnx")
            call(gansr, "models", "new", args[0], "-o", models[name], *args[1:])
        measure(a, gansr, models)


def measure(a, gansr, models):
    own = [gansr, "bench", "--threads", str(a.threads), "--json", *([] if a.size == 128 else ["--size", f"{a.size}x{a.size}"]),
           *(["--memory", a.memory] if a.memory else [])]
    there = {"ort": True, "ov": importlib.util.find_spec("openvino"), "ncnn": a.ncnn}
    kinds = ["gansr"] + [k for k in a.peers.split(",") if there[k.partition("-")[0]]]
    print(f"1x3x{a.size}x{a.size} unless fixed, {a.threads} threads, ms, median of {a.rounds} rounds (peak MB)\n")
    print("| network | " + " | ".join(kinds) + " | ort / gansr |\n" + "|---" * (len(kinds) + 2) + "|")
    for name, path in models.items():
        got = {k: [] for k in kinds}
        for _ in range(a.rounds):
            for k in kinds:
                file = os.path.join(a.ncnn, name) if k.startswith("ncnn") else path
                if k == "gansr":
                    r = json.loads(call(*own, "--runs", str(a.runs), path))
                    got[k].append((r["median_ms"], r["peak_bytes"] / 1e6))
                elif not k.startswith("ncnn") or os.path.exists(file + ".ncnn.param"):
                    out = call(sys.executable, __file__, "--child", k, file, "--size", str(a.size), "--runs", str(a.runs), "--threads", str(a.threads))
                    got[k].append(tuple(map(float, out.split())))
        med = {k: statistics.median(t for t, _ in v) for k, v in got.items() if v}
        peak = {k: max(m for _, m in v) for k, v in got.items() if v}
        print(f"| {name} | " + " | ".join(f"{med[k]:.1f} ({peak[k]:.0f})" if k in med else "" for k in kinds) + f" | {med['ort'] / med['gansr']:.2f} |", flush=True)
    print("\n| network | GF/s, of the definition | GF/s, of products | peak |\n|---|---|---|---|")
    for name, path in models.items():
        r = json.loads(call(*own, "-v", "--runs", str(a.runs), path))
        total = lambda key: sum(l.get(key, 0) * l["median_ms"] for l in r["layers"]) / sum(l["median_ms"] for l in r["layers"])
        print(f"| {name} | {total('direct_gflops'):.0f} | {total('real_gflops'):.0f} | {r['peak_gflops']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
