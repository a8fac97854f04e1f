#!/usr/bin/env python3
"""Writes vgg.json: what layers of VGG16 and VGG19, with few channels and weights that fill() of make.py makes, give in PyTorch: the shape, the sum of
magnitudes and every 7th element. usage: vgg.py [FILE] (in this folder; needs torch and safetensors)"""
import json, math
import torch
from torch import nn


def fill(name, shape):  # as in make.py
    n = math.prod(shape)
    v = ((torch.arange(n, dtype=torch.float64) * 31 + len(name) * 17) % 101 - 50) / 50
    if name == "input":
        v = v * 0.5 + 0.5
    elif len(shape) > 1:
        v = v * math.sqrt(3 / math.prod(shape[1:]))
    else:
        v = 0.1 * v
    return v.reshape(shape).float()


cases = []
for kind, counts in ("VGG16", (2, 2, 3, 3, 3)), ("VGG19", (2, 2, 4, 4, 4)):
    layers, names, cin, state = [], [], 3, {}
    for block, (count, width) in enumerate(zip(counts, (4, 5, 6, 7, 8))):
        for i in range(count):
            for key, shape in (("weight", (width, cin, 3, 3)), ("bias", (width,))):
                state[f"features.{len(layers)}.{key}"] = list(shape)
            layers += [nn.Conv2d(cin, width, 3, padding=1), nn.ReLU()]
            names += [f"conv{block + 1}_{i + 1}", f"relu{block + 1}_{i + 1}"]
            cin = width
        layers.append(nn.MaxPool2d(2))
        names.append(f"pool{block + 1}")
    model = nn.Module()
    model.features = nn.Sequential(*layers)
    model.load_state_dict({k: fill(k, s) for k, s in state.items()})
    shape, want = [1, 3, 37, 34], {}
    with torch.no_grad():
        x = fill("input", shape)
        for name, layer in zip(names, model.features):
            x = layer(x)
            want[name] = {"shape": list(x.shape), "sum": x.abs().sum().item(), "values": [float(f"{v:.8g}") for v in x.flatten()[::7].tolist()]}
    picked = ["relu5_4" if kind == "VGG19" else "conv5_3", "relu1_2", "relu3_3", "pool4", "conv4_1"]
    cases.append({"kind": kind, "state": state, "input": shape, "layers": picked, "want": {k: want[k] for k in picked}})
with open("vgg.json", "w") as f:
    json.dump(cases, f, separators=(",", ":"))

# With a path to torchvision's weights of VGG19 up to relu3_4, also vgg19-relu3_4.json: the sums of what two layers give.
import sys
if len(sys.argv) > 1:
    from safetensors.torch import load_file
    state, x, sums = load_file(sys.argv[1]), fill("input", [1, 3, 24, 20]).double(), {}
    for i, name in enumerate("0 2 pool 5 7 pool 10 12 14 16".split()):
        if name == "pool":
            x = nn.functional.max_pool2d(x, 2)
            continue
        x = nn.functional.conv2d(x, state[f"features.{name}.weight"].double(), state[f"features.{name}.bias"].double(), padding=1).relu()
        if name in ("2", "16"):
            sums["relu1_2" if name == "2" else "relu3_4"] = x.sum().item()
    with open("vgg19-relu3_4.json", "w") as f:
        json.dump(sums, f)
