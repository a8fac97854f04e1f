#!/usr/bin/env python3
"""Trains the embedded x4 generator (SRVGGNetCompact) on a folder of photos and writes it as ONNX.

    python3 compact_x4.py --photos DIR --out compact-x4.onnx --minutes 90 [--work DIR]

Needs torch, onnx, onnxscript, pillow, numpy. Runs on a CPU. LR images are the HR ones downscaled by Pillow's antialiased
bicubic. The loss is L1 on RGB in 0..1; Adam with a warm-up and a cosine schedule over --minutes of training time; the weights
written are an exponential moving average. A checkpoint is written every minute to --work, and the script resumes from it.
"""
import argparse, copy, math, os, time
import numpy as np, torch
from PIL import Image
from torch import nn
import torch.nn.functional as F

SCALE = 4


class SRVGGNetCompact(nn.Module):
    """The compact generator of Real-ESRGAN, with the field's parameter names (body.N.weight)."""

    def __init__(self, num_feat=32, num_conv=8):
        super().__init__()
        layers = [nn.Conv2d(3, num_feat, 3, 1, 1), nn.PReLU(num_feat)]
        for _ in range(num_conv):
            layers += [nn.Conv2d(num_feat, num_feat, 3, 1, 1), nn.PReLU(num_feat)]
        self.body = nn.Sequential(*layers, nn.Conv2d(num_feat, 3 * SCALE * SCALE, 3, 1, 1))
        self.upsampler = nn.PixelShuffle(SCALE)

    def forward(self, x):
        return self.upsampler(self.body(x)) + F.interpolate(x, scale_factor=SCALE, mode="nearest")


def load(folder):
    pairs = []
    for name in sorted(os.listdir(folder)):
        try:
            hr = Image.open(os.path.join(folder, name)).convert("RGB")
        except OSError:
            continue
        w, h = hr.width // SCALE * SCALE, hr.height // SCALE * SCALE
        hr = hr.crop((0, 0, w, h))
        lr = hr.resize((w // SCALE, h // SCALE), Image.BICUBIC)
        pairs.append((np.asarray(lr), np.asarray(hr)))
    if not pairs:
        raise SystemExit(f"no photo could be read in {folder}")
    return pairs


def batch(pairs, rng, n, patch):
    weights = np.array([p[0].shape[0] * p[0].shape[1] for p in pairs], dtype=np.float64)
    weights /= weights.sum()
    lrs, hrs = [], []
    for i in rng.choice(len(pairs), n, p=weights):
        lr, hr = pairs[i]
        y, x = rng.integers(0, lr.shape[0] - patch + 1), rng.integers(0, lr.shape[1] - patch + 1)
        a = lr[y:y + patch, x:x + patch]
        b = hr[y * SCALE:(y + patch) * SCALE, x * SCALE:(x + patch) * SCALE]
        k, flip = rng.integers(0, 4), rng.integers(0, 2)
        a, b = np.rot90(a, k), np.rot90(b, k)
        if flip:
            a, b = a[:, ::-1], b[:, ::-1]
        lrs.append(a.transpose(2, 0, 1)); hrs.append(b.transpose(2, 0, 1))
    to = lambda v: torch.from_numpy(np.ascontiguousarray(np.stack(v))).float() / 255
    return to(lrs), to(hrs)


def export(model, path):
    import onnx
    model = model.eval()
    axes = {"input": {0: "n", 2: "h", 3: "w"}, "output": {0: "n", 2: "h_out", 3: "w_out"}}
    torch.onnx.export(model, torch.rand(1, 3, 32, 32), path, dynamo=False, opset_version=17, dynamic_axes=axes,
                      input_names=["input"], output_names=["output"])
    m = onnx.load(path)
    m.doc_string = "compact x4 super-resolution generator"
    onnx.helper.set_model_props(m, {"gansr.scale": "4", "gansr.range": "0,1", "gansr.channels": "rgb", "gansr.architecture": "SRVGGNetCompact"})
    onnx.checker.check_model(m, full_check=True)
    onnx.save(m, path)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--photos", required=True); p.add_argument("--out", required=True); p.add_argument("--work", default="compact-x4")
    p.add_argument("--minutes", type=float, default=90); p.add_argument("--batch", type=int, default=16); p.add_argument("--patch", type=int, default=40)
    p.add_argument("--lr", type=float, default=2e-3); p.add_argument("--threads", type=int, default=2); p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    torch.set_num_threads(a.threads); torch.manual_seed(a.seed); rng = np.random.default_rng(a.seed)
    os.makedirs(a.work, exist_ok=True)
    ck = os.path.join(a.work, "checkpoint.pt")
    model = SRVGGNetCompact(); ema = copy.deepcopy(model)
    opt = torch.optim.Adam(model.parameters(), a.lr)
    step, spent = 0, 0.0
    if os.path.exists(ck):
        s = torch.load(ck, weights_only=True)
        model.load_state_dict(s["model"]); ema.load_state_dict(s["ema"]); opt.load_state_dict(s["opt"]); step, spent = s["step"], s["spent"]
        rng = np.random.default_rng(a.seed + step)
    pairs = [q for q in load(a.photos) if min(q[0].shape[:2]) >= a.patch]
    total, saved, running = a.minutes * 60, spent, 0.0
    while spent < total:
        t0 = time.monotonic()
        for g in opt.param_groups:
            g["lr"] = a.lr * min(1, (step + 1) / 200) * (0.5 + 0.5 * math.cos(math.pi * spent / total) + 0.005)
        lr, hr = batch(pairs, rng, a.batch, a.patch)
        loss = F.l1_loss(model(lr), hr)
        opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(model.parameters(), 1.0); opt.step()
        with torch.no_grad():
            d = min(0.998, (step + 1) / (step + 10))
            for e, m in zip(ema.parameters(), model.parameters()):
                e.lerp_(m, 1 - d)
        step += 1; running += loss.item()
        spent += min(time.monotonic() - t0, 3.0)  # a paused process does not use up the schedule
        if step % 100 == 0:
            print(f"step {step} spent {spent / 60:.1f} min loss {running / 100:.5f}", flush=True); running = 0.0
        if spent - saved > 60 or spent >= total:
            saved = spent
            torch.save({"model": model.state_dict(), "ema": ema.state_dict(), "opt": opt.state_dict(), "step": step, "spent": spent}, ck + ".tmp")
            os.replace(ck + ".tmp", ck)
    export(ema, a.out)


if __name__ == "__main__":
    main()
