"""Writes gradients.json: first and second derivatives of operators as PyTorch computes them, in float64.

Each case has operands, seeds (the gradients of the results), the results, the gradients of <results, seeds> with respect to the
operands, and the gradients of half the sum of squares of those ("second").
"""
import json
import torch
import torch.nn.functional as F

torch.manual_seed(5)
cases = []


def flat(t):
    return {"shape": list(t.shape), "data": [float(f"{v:.9g}") for v in t.detach().flatten().tolist()]}


def case(name, op, attrs, f, *shapes, second=True, positive=(), wide=()):
    x = [(torch.rand(s, dtype=torch.float64) * 1.5 - 0.7).requires_grad_() for s in shapes]
    for i in positive:
        x[i] = (torch.rand(shapes[i], dtype=torch.float64) + 0.5).requires_grad_()
    for i in wide:
        x[i] = (torch.rand(shapes[i], dtype=torch.float64) * 3 - 1.5).requires_grad_()
    y = f(*x)
    y = list(y) if isinstance(y, (tuple, list)) else [y]
    seeds = [torch.rand_like(v) - 0.4 for v in y]
    sums = sum((a * b).sum() for a, b in zip(y, seeds))
    grads = torch.autograd.grad(sums, x, create_graph=second, allow_unused=True)
    grads = [torch.zeros_like(v) if g is None else g for v, g in zip(x, grads)]
    two = []
    if second:
        half = sum((g * g).sum() for g in grads) / 2
        two = torch.autograd.grad(half, x, allow_unused=True) if half.requires_grad else [None] * len(x)
        two = [torch.zeros_like(v) if g is None else g for v, g in zip(x, two)]
    cases.append({"name": name, "op": op, "attrs": attrs, "in": [flat(v) for v in x], "seeds": [flat(v) for v in seeds],
                  "out": [flat(v) for v in y], "grads": [flat(v) for v in grads], "second": [flat(v) for v in two]})


def conv(name, f, stride, dilation, padding, groups, *shapes, output_padding=None):
    n = len(stride)
    attrs = {"Strides": stride, "Dilations": dilation, "Pads": padding + padding, "Groups": groups}
    more = {}
    if output_padding is not None:
        attrs["OutputPads"] = output_padding
        more["output_padding"] = output_padding
    op = "ConvTranspose" if output_padding is not None else "Conv"
    case(name, op, attrs, lambda *x: f(*x, stride=stride, dilation=dilation, padding=padding, groups=groups, **more), *shapes)


conv("conv same", F.conv2d, [1, 1], [1, 1], [3, 3], 1, (2, 2, 5, 6), (3, 2, 7, 7), (3,))
conv("conv critic", F.conv2d, [2, 2], [1, 1], [4, 4], 1, (1, 3, 8, 8), (2, 3, 9, 9), (2,))
conv("conv depthwise", F.conv2d, [1, 1], [1, 1], [1, 1], 4, (2, 4, 4, 5), (4, 1, 3, 3), (4,))
conv("conv grouped", F.conv2d, [2, 1], [1, 2], [0, 2], 2, (1, 4, 5, 5), (6, 2, 2, 3))
conv("conv 1d", F.conv1d, [2], [2], [2], 1, (2, 3, 9), (2, 3, 3), (2,))
conv("conv 3d", F.conv3d, [1, 2, 1], [1, 1, 1], [1, 0, 1], 1, (1, 2, 3, 4, 3), (2, 2, 2, 2, 3))
conv("transposed", F.conv_transpose2d, [2, 2], [1, 1], [1, 1], 1, (1, 2, 3, 4), (2, 3, 4, 4), (3,), output_padding=[0, 0])
conv("transposed with output pads", F.conv_transpose2d, [3, 2], [1, 2], [1, 0], 2, (2, 4, 2, 3), (4, 1, 3, 2), (2,), output_padding=[2, 1])

bn = {"Epsilon": 1e-5, "Keep": 0.9, "Unbiased": True}


def batch_norm(x, scale, bias, mean, variance):
    # the running statistics are updated in place, so give copies and compute what they become by the documented rule as a check
    m, v = mean.detach().clone(), variance.detach().clone()
    y = F.batch_norm(x, m, v, scale, bias, True, 0.1, 1e-5)
    axes = [0] + list(range(2, x.dim()))
    new = (0.9 * mean + 0.1 * x.mean(axes), 0.9 * variance + 0.1 * x.var(axes, unbiased=True))
    assert torch.allclose(new[0], m) and torch.allclose(new[1], v)
    return (y,) + new


case("batch norm in training", "BatchNormTraining", bn, batch_norm, (3, 2, 3, 2), (2,), (2,), (2,), (2,), positive=(4,))
case("batch norm", "BatchNorm", {"Epsilon": 1e-5}, lambda x, s, b: F.batch_norm(x, torch.tensor([0.2, -0.3]).double(), torch.tensor([0.7, 1.9]).double(), s, b, False, 0.1, 1e-5),
     (3, 2, 3, 2), (2,), (2,))
cases[-1]["constants"] = [flat(torch.tensor([0.2, -0.3]).double()), flat(torch.tensor([0.7, 1.9]).double())]
case("instance norm", "GroupNorm", {"Groups": 3, "Epsilon": 1e-5}, lambda x, s, b: F.instance_norm(x, weight=s, bias=b), (2, 3, 3, 4), (3,), (3,))
case("group norm", "GroupNorm", {"Groups": 2, "Epsilon": 1e-5}, lambda x, s, b: F.group_norm(x, 2, s, b), (2, 4, 3, 2), (4,), (4,))
case("layer norm", "LayerNorm", {"Axis": 1, "Epsilon": 1e-5, "Stash": 2}, lambda x, s, b: F.layer_norm(x, (3, 4), s, b), (2, 3, 4), (3, 4), (3, 4))
cases[-1]["first"] = 1

for mode, align in (("nearest", None), ("bilinear", True), ("bilinear", False), ("bicubic", True), ("bicubic", False)):
    for size in ((8, 6), (2, 5)):
        attrs = {"Mode": {"nearest": "nearest", "bilinear": "linear", "bicubic": "cubic"}[mode], "Sizes": [1, 2] + list(size), "CubicA": -0.75,
                 "Scales": [1, 1, size[0] / 4, size[1] / 3], "Nearest": "floor",
                 "Coordinates": "asymmetric" if align is None else "align_corners" if align else "half_pixel"}
        case(f"{mode} {align} {size}", "Resize", attrs, lambda x: F.interpolate(x, size=size, mode=mode, align_corners=align), (1, 2, 4, 3))
for mode in ("linear", "cubic"):
    case(f"antialiased {mode}", "Resize", {"Mode": mode, "Sizes": [1, 1, 3, 4], "Scales": [1, 1, 3 / 7, 4 / 9], "CubicA": -0.5, "Antialias": True,
                                           "ExcludeOutside": True, "Coordinates": "half_pixel"},
         lambda x: F.interpolate(x, size=(3, 4), mode="bi" + mode, antialias=True), (1, 1, 7, 9))

pool = {"Kernel": [3, 2], "Strides": [2, 1], "Dilations": [1, 1], "Pads": [1, 1, 1, 1], "Ceil": False}
for count in (False, True):
    case(f"average pool {count}", "AveragePool", dict(pool, CountPads=count), lambda x: F.avg_pool2d(x, (3, 2), (2, 1), (1, 1), False, count), (2, 2, 5, 4))
case("average pool ceil", "AveragePool", dict(pool, CountPads=False, Ceil=True, Strides=[2, 2], Pads=[0, 0, 0, 0]),
     lambda x: F.avg_pool2d(x, (3, 2), (2, 2), 0, True, False), (1, 2, 6, 5))
case("max pool", "MaxPool", pool, lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 1)), (2, 2, 5, 4))
case("global average pool", "Reduce", {"By": "mean", "Axes": [2, 3]}, lambda x: F.adaptive_avg_pool2d(x, 1), (2, 3, 4, 2))
case("maximum", "Reduce", {"By": "max", "Axes": [1]}, lambda x: x.amax(1, keepdim=True), (2, 3, 4))
case("softmax", "Softmax", {"Axis": 1}, lambda x: F.softmax(x, 1), (2, 3, 2))
case("log softmax", "Softmax", {"Axis": 1, "Log": True}, lambda x: F.log_softmax(x, 1), (2, 3, 2))
case("prelu", "PRelu", {}, lambda x, s: torch.where(x > 0, x, s * x), (2, 3, 2), (3, 1))
case("gelu", "Gelu", {}, F.gelu, (2, 5))
case("softplus", "Softplus", {}, F.softplus, (2, 5))
case("elu", "Elu", {"Alpha": 1.0}, F.elu, (2, 5))
case("pow", "Pow", {}, torch.pow, (2, 5), (5,), positive=(0,))
case("reflect", "Pad", {"Mode": "reflect", "Begin": [0, 0, 2, 1], "End": [0, 0, 1, 2]}, lambda x: F.pad(x, (1, 2, 2, 1), mode="reflect"), (1, 2, 3, 4))
case("replicate", "Pad", {"Mode": "edge", "Begin": [0, 0, 2, 1], "End": [0, 0, 1, 2]}, lambda x: F.pad(x, (1, 2, 2, 1), mode="replicate"), (1, 2, 3, 4))
case("pixel shuffle", "DepthToSpace", {"Block": 2, "ChannelsFirst": True}, lambda x: F.pixel_shuffle(x, 2), (1, 8, 2, 3))
for padding in ("zeros", "border", "reflection"):
    case(f"grid sample {padding}", "GridSample", {"Mode": "linear", "Padding": padding, "AlignCorners": False},
         lambda x, grid: F.grid_sample(x, grid, padding_mode=padding, align_corners=False), (2, 2, 3, 4), (2, 3, 3, 2), second=False, wide=(1,))
    # PyTorch has no second derivatives of it
case("products", "MatMul", {}, torch.matmul, (2, 3, 2), (2, 4))


def spectral(w, u, v):
    m = w.flatten(1)
    with torch.no_grad():
        v = F.normalize(torch.mv(m.t(), u), dim=0, eps=1e-12)
        u = F.normalize(torch.mv(m, v), dim=0, eps=1e-12)
    return w / torch.dot(u, torch.mv(m, v)), u, v


# Check this against PyTorch's own parametrisation.
layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Conv2d(2, 3, 2).double())
own = layer.parametrizations.weight[0]
u0, v0 = own._u.clone(), own._v.clone()
assert torch.allclose(spectral(layer.parametrizations.weight.original, u0, v0)[0], layer.train().weight)
case("spectral norm", "SpectralNorm", {"Steps": 1, "Epsilon": 1e-12}, lambda *x: spectral(*x), (3, 2, 2, 2), (3,), (8,))


def critic(x, *p):
    """The course's critic on 16 x 16 pixels, with fewer channels, and its gradient penalty."""
    h = x
    for i in range(3):
        h = F.leaky_relu(F.conv2d(h, p[2 * i], p[2 * i + 1], stride=2, padding=p[2 * i].shape[-1] // 2), 0.01)
    score = F.linear(F.avg_pool2d(h, 2).flatten(1), p[6])
    (g,) = torch.autograd.grad(score.sum(), x, create_graph=True)
    return 30 * ((g.flatten(1).norm(2, dim=1) - 1) ** 2).mean()


case("gradient penalty", "GradientPenalty", {}, critic, (2, 3, 16, 16), (3, 3, 9, 9), (3,), (4, 3, 5, 5), (4,), (5, 4, 5, 5), (5,), (1, 5), second=False)

with open("gradients.json", "w") as f:
    f.write('{"torch": "%s", "cases": [\n' % torch.__version__ + ",\n".join(json.dumps(c) for c in cases) + "\n]}\n")
