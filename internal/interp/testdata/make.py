"""Writes resized lines and pictures for the tests of interp.

Run it in this folder with NumPy, Pillow and PyTorch installed.

cases.json: a list of {"method", "source", "result"}; lines of float64.
  pillow-bicubic, pillow-bilinear   Pillow's resize of mode F
  torch-bicubic, torch-bilinear     torch.nn.functional.interpolate, antialias=True, float64
  torch-sharp-bilinear              the same, antialias=False
  torch-area                        the same, mode "area"; whole ratios only
  matlab-bicubic                    imresize's published definition, in float64 (below)
"""
import json
import numpy as np, torch
from PIL import Image
import torch.nn.functional as F

rng = np.random.default_rng(7)


def cubic(x):  # MATLAB's documentation of imresize names Keys' kernel with a = -1/2
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def imresize(line, n):
    """The definition in loops: the line is continued by reflection, the kernel is stretched when shrinking, weights sum to 1."""
    m, scale = len(line), n / len(line)
    stretch = min(scale, 1.0)
    out = []
    for d in range(1, n + 1):
        u = d / scale + 0.5 * (1 - 1 / scale)
        total = value = 0.0
        for i in range(int(np.floor(u - 2 / stretch)) - 2, int(np.ceil(u + 2 / stretch)) + 3):
            w = cubic(stretch * (u - i))
            j = (i - 1) % (2 * m)
            total += w
            value += w * line[j if j < m else 2 * m - 1 - j]
        out.append(value / total)
    return out


cases = []
add = lambda method, src, dst: cases.append({"method": method, "source": [float(v) for v in src], "result": [float(v) for v in dst]})
for m, n in [(16, 4), (24, 12), (27, 9), (5, 3), (31, 7), (4, 4), (3, 11), (8, 32), (6, 1), (1, 4), (2, 1)]:
    line = rng.random(m)
    t = torch.from_numpy(line)[None, None, None]
    f32 = Image.fromarray(line.astype(np.float32)[None])
    add("pillow-bicubic", line.astype(np.float32), np.asarray(f32.resize((n, 1), Image.BICUBIC))[0])
    add("pillow-bilinear", line.astype(np.float32), np.asarray(f32.resize((n, 1), Image.BILINEAR))[0])
    for mode in ("bicubic", "bilinear"):
        add("torch-" + mode, line, F.interpolate(t, size=(1, n), mode=mode, antialias=True, align_corners=False)[0, 0, 0])
    add("torch-sharp-bilinear", line, F.interpolate(t, size=(1, n), mode="bilinear", align_corners=False)[0, 0, 0])
    if m % n == 0 or n % m == 0:
        add("torch-area", line, F.interpolate(t, size=(1, n), mode="area")[0, 0, 0])
    add("matlab-bicubic", line, imresize(line, n))
with open("cases.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
