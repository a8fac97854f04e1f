"""Writes convolutions.json: convolutions in one to three dimensions, and their transposes, as PyTorch computes them in
float64. usage: python convolutions.py (with torch installed)"""
import json

import torch
import torch.nn.functional as F

CASES = [  # channels, output channels, groups, source, kernel, stride, dilation, pad, output pad
    (2, 3, 1, [7], [3], [1], [1], [1], [0]),
    (4, 6, 2, [9], [4], [3], [2], [2], [2]),
    (3, 4, 1, [5, 6], [3, 3], [1, 1], [1, 1], [1, 1], [0, 0]),
    (4, 2, 2, [6, 5], [3, 2], [2, 3], [2, 1], [1, 0], [1, 2]),
    (3, 3, 3, [5, 5], [5, 5], [1, 1], [1, 1], [2, 2], [0, 0]),
    (2, 2, 1, [3, 4, 5], [2, 3, 3], [1, 1, 1], [1, 1, 1], [0, 1, 1], [0, 0, 0]),
    (4, 4, 2, [4, 5, 4], [2, 3, 2], [2, 2, 1], [1, 2, 2], [1, 2, 0], [1, 0, 1]),
]

torch.manual_seed(0)
out = []
for c, oc, groups, size, kernel, stride, dilation, pad, out_pad in CASES:
    rank = len(size)
    # multiples of 1/8: short to write, and exact
    draw = lambda *shape: (torch.randn(*shape, dtype=torch.float64) * 8).round() / 8
    x, w, wt, b = draw(2, c, *size), draw(oc, c // groups, *kernel), draw(c, oc // groups, *kernel), draw(oc)
    conv, back = (F.conv1d, F.conv2d, F.conv3d)[rank - 1], (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[rank - 1]
    y = conv(x, w, b, stride, pad, dilation, groups)
    yt = back(x, wt, b, stride, pad, out_pad, groups, dilation)
    flat = lambda t: t.flatten().tolist()
    out.append(dict(C=c, OC=oc, Groups=groups, In=size, Kernel=kernel, Strides=stride, Dilations=dilation, Pads=pad, OutPads=out_pad,
                    X=flat(x), W=flat(w), WT=flat(wt), B=flat(b), Y=flat(y), YShape=list(y.shape), YT=flat(yt), YTShape=list(yt.shape)))
with open("convolutions.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(o, separators=(",", ":")) for o in out) + "\n]\n")
