#!/usr/bin/env python3
"""Writes lpips.json: the distances that the package lpips gives, with few channels and weights that fill() of vgg.py makes. usage: lpips.py [FILE]
(in this folder; needs torch, torchvision and lpips). With the path of a file of features.N.* and linN.model.1.weight in safetensors, also
what it gives with those."""
import importlib, json, sys
import torch
from torch import nn

sys.path.pop(0)  # this file has the package's name
lpips = importlib.import_module("lpips")
sys.argv, given = sys.argv[:1], sys.argv[1:]
WIDTHS = [4, 5, 6, 7, 8]


def fill(name, shape):
    n = torch.Size(shape).numel()
    v = ((torch.arange(n, dtype=torch.float64) * 31 + len(name) * 17) % 101 - 50) / 50
    if name in "ab":
        v = v * 0.5 + 0.5
        if name == "b":
            v = v * 0.8 + 0.1 * torch.sin(torch.arange(n, dtype=torch.float64) / 50) + 0.1
    elif name.startswith("lin"):
        v = v.abs()
    elif len(shape) > 1:
        v = v * (3 / torch.Size(shape[1:]).numel()) ** 0.5
    else:
        v = 0.1 * v
    return v.reshape(shape).float()


def distance(state, shape):
    net = lpips.LPIPS(net="alex", pretrained=False, pnet_rand=True, verbose=False).eval()
    convolutions = [m for m in net.net.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        for m, at in zip(convolutions, (0, 3, 6, 8, 10)):
            m.weight = nn.Parameter(state[f"features.{at}.weight"].float())
            m.bias = nn.Parameter(state[f"features.{at}.bias"].float())
        for i, lin in enumerate(net.lins):
            lin.model[-1].weight = nn.Parameter(state[f"lin{i}.model.1.weight"].float())
        return net(fill("a", shape), fill("b", shape), normalize=True).flatten().tolist()


shapes, cin = {}, 3
for i, (at, k, c) in enumerate(zip((0, 3, 6, 8, 10), (11, 5, 3, 3, 3), WIDTHS)):
    shapes[f"features.{at}.weight"], shapes[f"features.{at}.bias"] = [c, cin, k, k], [c]
    shapes[f"lin{i}.model.1.weight"] = [1, c, 1, 1]
    cin = c
case = {"input": [2, 3, 67, 75], "state": shapes}
case["small"] = distance({k: fill(k, s) for k, s in shapes.items()}, case["input"])
if given:
    from safetensors.torch import load_file
    case["given"] = distance(load_file(given[0]), case["input"])
with open("lpips.json", "w") as f:
    json.dump(case, f)
