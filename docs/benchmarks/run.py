#!/usr/bin/env python3
"""Times gansr beside ONNX Runtime (and OpenVINO, if it is installed) and prints a table.

    python3 -m venv peers && peers/bin/pip install onnxruntime==1.31.1 numpy      # openvino==2026.4.1 if wanted
    peers/bin/python docs/benchmarks/run.py [--size 128] [--rounds 5] [--threads 2] [MODEL.onnx ...]

Run it in the root of the repository. Without models it makes the course generator, SRVGGNetCompact (64 features, 32 convolutions) and RRDBNet with `gansr models
new`. A model whose input's size is fixed runs at that size. The programs take turns, each run in a process of its own with a warm-up, and the table has medians over the rounds: on
a machine that others use too, only numbers of the same call compare.
"""
import argparse, importlib.util, json, os, statistics, subprocess, sys, tempfile

NETWORKS = {"course": ["CourseGenerator"], "srvgg": ["SRVGGNetCompact", "num_feat=64", "num_conv=32"], "rrdb": ["RRDBNet"]}


def peer(kind, model, size, runs, threads):
    """Child process: prints the median time in ms and the peak memory in MB."""
    import resource, time
    import numpy as np
    noise = lambda shape: np.random.RandomState(0).rand(*(d if isinstance(d, int) else n for d, n in zip(shape, (1, 3, size, size)))).astype(np.float32)
    if kind == "ort":
        import onnxruntime as ort
        o = ort.SessionOptions(); o.intra_op_num_threads = threads
        s = ort.InferenceSession(model, o, providers=["CPUExecutionProvider"])
        feed = {i.name: noise(i.shape).astype(np.float16 if "float16" in i.type else np.float32) for i in s.get_inputs()}
        run = lambda: s.run(None, feed)
    else:
        import openvino as ov
        m = ov.Core().read_model(model)
        x = noise([d.get_length() if d.is_static else None for d in m.input(0).partial_shape]); m.reshape(list(x.shape))
        c = ov.Core().compile_model(m, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": kind[3:]})
        run = lambda: c([x])
    run(); times = []
    for _ in range(runs):
        t = time.perf_counter(); run(); times.append((time.perf_counter() - t) * 1e3)
    print(statistics.median(times), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="*"); p.add_argument("--size", type=int, default=128); p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--runs", type=int, default=3); p.add_argument("--gansr", help="a program to measure instead of building one"); p.add_argument("--threads", type=int, default=2); p.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.child:
        return peer(a.child[0], a.child[1], a.size, a.runs, a.threads)
    with tempfile.TemporaryDirectory() as tmp:
        gansr = a.gansr or os.path.join(tmp, "gansr")
        if not a.gansr:
            subprocess.run(["go", "build", "-o", gansr, "./cmd/gansr"], check=True, env={**os.environ, "CGO_ENABLED": "0"})
        models = {os.path.basename(m): m for m in a.models}
        for name, args in NETWORKS.items() if not models else ():
            models[name] = os.path.join(tmp, name + ".onnx")
            subprocess.run([gansr, "models", "new", args[0], "-o", models[name], *args[1:]], check=True)
        kinds = ["gansr", "ort"] + (["ov-f32", "ov-bf16"] if importlib.util.find_spec("openvino") else [])
        print(f"input 1x3x{a.size}x{a.size} unless fixed, {a.threads} threads, ms, median of {a.rounds} rounds (peak MB)\n")
        print("| network | " + " | ".join(kinds) + " | ort / gansr |"); print("|---" * (len(kinds) + 2) + "|")
        for name, path in models.items():
            got = {k: [] for k in kinds}
            for _ in range(a.rounds):
                for k in kinds:
                    if k == "gansr":
                        out = subprocess.run([gansr, "bench", path, *([] if a.size == 128 else ["--size", f"{a.size}x{a.size}"]), "--threads", str(a.threads), "--runs", str(a.runs), "--json"],
                                             check=True, capture_output=True, text=True).stdout
                        r = json.loads(out); got[k].append((r["median_ms"], r["peak_bytes"] / 1e6))
                    else:
                        out = subprocess.run([sys.executable, __file__, "--child", k, path, "--size", str(a.size), "--runs", str(a.runs), "--threads", str(a.threads)],
                                             check=True, capture_output=True, text=True).stdout
                        got[k].append(tuple(map(float, out.split())))
            med = {k: statistics.median(t for t, _ in v) for k, v in got.items()}
            peak = {k: max(m for _, m in v) for k, v in got.items()}
            print(f"| {name} | " + " | ".join(f"{med[k]:.1f} ({peak[k]:.0f})" for k in kinds) + f" | {med['ort'] / med['gansr']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
