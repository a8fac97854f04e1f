"""Writes sizes/*.onnx, networks that PyTorch exported for one size with both of its exporters, and sizes/*.safetensors, what they make of
images of some sizes, the one that was exported first. Needs torch 2.15, onnx and safetensors:

    python sizes.py

A safetensors file has a tensor for each size, such as 0-16x24: every seventh element of PyTorch's output for the input of `image`. In the metadata, span
is the range of the outputs.
"""
import pathlib
import warnings

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from torch import nn

warnings.filterwarnings("ignore")


def partition(x, w):
    b, h, v, c = x.shape
    return x.view(b, h // w, w, v // w, w, c).permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, w * w, c)


def reverse(x, w, h, v):
    b = x.shape[0] // (h * v // w // w)
    return x.view(b, h // w, v // w, w, w, -1).permute(0, 1, 3, 2, 4, 5).contiguous().view(b, h, v, -1)


class Attention(nn.Module):
    def __init__(self, dim, window, heads):
        super().__init__()
        self.window, self.heads = window, heads
        self.table = nn.Parameter(torch.randn((2 * window - 1) ** 2, heads) * 0.5)
        y, x = np.divmod(np.arange(window * window), window)
        index = (y[:, None] - y + window - 1) * (2 * window - 1) + x[:, None] - x + window - 1
        self.register_buffer("index", torch.from_numpy(index))
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        a = q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5
        a = a + self.table[self.index.view(-1)].view(n, n, -1).permute(2, 0, 1).unsqueeze(0)
        if mask is not None:
            w = mask.shape[0]
            a = a.view(b // w, w, self.heads, n, n) + mask.unsqueeze(1).unsqueeze(0)
            a = a.view(-1, self.heads, n, n)
        return self.proj((a.softmax(-1) @ v).transpose(1, 2).reshape(b, n, c))


class Block(nn.Module):
    def __init__(self, dim, window, heads, shift, size):
        super().__init__()
        self.window, self.shift, self.size = window, shift, size
        self.register_buffer("kept", self.mask(*size) if shift and size else None)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = Attention(dim, window, heads)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def mask(self, h, v):
        parts = slice(0, -self.window), slice(-self.window, -self.shift), slice(-self.shift, None)
        image = np.zeros((1, h, v, 1), np.float32)
        for i, a in enumerate(parts):
            for j, b in enumerate(parts):
                image[:, a, b] = 3 * i + j
        ids = partition(torch.from_numpy(image), self.window).squeeze(-1)
        d = ids.unsqueeze(1) - ids.unsqueeze(2)
        return d.masked_fill(d != 0, -100.0).masked_fill(d == 0, 0.0)

    def forward(self, x, h, v):
        b, n, c = x.shape
        y, mask = self.norm1(x).view(b, h, v, c), None
        if self.shift:
            y, mask = torch.roll(y, (-self.shift, -self.shift), (1, 2)), self.kept
            if mask is None or (h, v) != self.size:
                mask = self.mask(int(h), int(v))
        y = reverse(self.attn(partition(y, self.window), mask), self.window, h, v)
        if self.shift:
            y = torch.roll(y, (self.shift, self.shift), (1, 2))
        x = x + y.view(b, h * v, c)
        return x + self.mlp(self.norm2(x))


class Swin(nn.Module):
    """Shifted windows, as in SwinIR: the image is padded to whole windows, and cropped again. With a size it keeps the mask of that, and lets
    exporters see how other lengths depend on the image's."""

    def __init__(self, dim=8, window=4, scale=2, size=None):
        super().__init__()
        self.window, self.scale = window, scale
        self.read = (lambda n: n) if size else int
        self.first, self.last = nn.Conv2d(3, dim, 3, 1, 1), nn.Conv2d(dim, 3 * scale * scale, 3, 1, 1)
        self.blocks = nn.ModuleList(Block(dim, window, 2, s, size) for s in (0, window // 2))

    def forward(self, x):
        _, _, h, v = map(self.read, x.shape)
        down, across = -h % self.window, -v % self.window
        if down or across:
            x = F.pad(x, (0, across, 0, down), "reflect")
        x = self.first(x)
        b, c, ph, pv = map(self.read, x.shape)
        y = x.flatten(2).transpose(1, 2)
        for block in self.blocks:
            y = block(y, ph, pv)
        y = y.transpose(1, 2).view(b, c, ph, pv) + x
        return F.pixel_shuffle(self.last(y), self.scale)[:, :, : h * self.scale, : v * self.scale]


class Overlapping(nn.Module):
    """Windows that look beyond their edges, and channels weighed by the mean of the image, as in HAT."""

    def __init__(self, dim=8, window=4, heads=2):
        super().__init__()
        self.window, self.heads, self.wide = window, heads, window + window // 2
        self.first, self.last = nn.Conv2d(3, dim, 3, 1, 1), nn.Conv2d(dim, 12, 3, 1, 1)
        self.qkv, self.norm = nn.Linear(dim, 3 * dim), nn.LayerNorm(dim)
        self.unfold = nn.Unfold(self.wide, stride=window, padding=(self.wide - window) // 2)
        self.bias = nn.Parameter(torch.randn(heads, window**2, self.wide**2))
        self.weigh = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(dim, dim, 1), nn.Sigmoid())

    def forward(self, x):
        x = self.first(x)
        b, c, h, v = map(int, x.shape)
        y = self.norm(x.permute(0, 2, 3, 1))
        q, k = self.qkv(y).split((c, 2 * c), -1)
        q = partition(q, self.window)
        k = self.unfold(k.permute(0, 3, 1, 2))
        k = k.view(b, 2, c, self.wide**2, -1).permute(1, 0, 4, 3, 2).reshape(2, -1, self.wide**2, c)
        q, k, u = (t.reshape(t.shape[0], t.shape[1], self.heads, -1).transpose(1, 2) for t in (q, k[0], k[1]))
        a = (q @ k.transpose(-2, -1) + self.bias).softmax(-1) @ u
        a = reverse(a.transpose(1, 2).reshape(-1, self.window**2, c), self.window, h, v)
        x = x + a.permute(0, 3, 1, 2) * self.weigh(x)
        return F.pixel_shuffle(self.last(x), 2)


class Pyramid(nn.Module):
    """Pooled to parts of the size and brought back to it, with the place of each pixel beside its colours."""

    def __init__(self, dim=8):
        super().__init__()
        self.first, self.last = nn.Conv2d(5, dim, 3, 1, 1), nn.Conv2d(dim, 12, 3, 1, 1)
        self.small = nn.Conv2d(dim, dim, 3, 2, 0)
        self.each = nn.ModuleList(nn.Conv2d(dim // 2, dim // 2, 3, 1, 1, groups=dim // 2) for _ in range(2))

    def forward(self, x):
        b, _, h, v = map(int, x.shape)
        place = torch.stack(torch.meshgrid(torch.arange(h) / h, (torch.arange(v) * 2 + 1) / v - 1, indexing="ij"))
        x = self.first(torch.cat((x, place.unsqueeze(0)), 1))
        parts = []
        for i, p in enumerate(x.chunk(2, 1)):
            n = 4 >> i
            p = self.each[i](F.adaptive_max_pool2d(p, (h // n, v // n)))
            parts.append(F.interpolate(p, size=(h, v), mode="nearest"))
        y = F.interpolate(F.max_pool2d(self.small(x), 3, 2), size=(h, v), mode="bilinear", align_corners=False)
        return F.pixel_shuffle(self.last(torch.cat(parts, 1) * x + y), 2)


def image(h, w):
    return ((torch.arange(3 * h * w) * 7919 % 1009) / 1008).view(1, 3, h, w)


def main(folder):
    for name, net, sizes, claims in (
        ("swin", Swin(), [(16, 24), (24, 16), (8, 28)], False),
        ("swin-padded", Swin(), [(14, 22), (16, 24), (19, 33)], False),
        ("swin-claims", Swin(), [(16, 16), (24, 16), (32, 32)], True),
        ("swin-kept", Swin(size=(16, 16)), [(16, 16), (24, 16), (32, 32)], True),
        ("overlapping", Overlapping(), [(16, 16), (24, 16), (20, 36)], False),
        ("pyramid", Pyramid(), [(16, 24), (24, 16), (20, 36)], False),
    ):
        torch.manual_seed(0)
        for p in net.parameters():
            if p.ndim > 1:
                nn.init.normal_(p, std=(p[0].numel()) ** -0.5)
        net.eval()
        tensors, span = {}, 0
        with torch.no_grad():
            for i, size in enumerate(sizes):
                y = net(image(*size)).numpy()
                span = max(span, float(np.ptp(y)))
                tensors[f"{i}-{size[0]}x{size[1]}"] = y.ravel()[::7].copy()
        save_file(tensors, folder / f"{name}.safetensors", {"span": str(span)})
        axes = {"input": {2: "h", 3: "w"}, "output": {2: "h2", 3: "w2"}} if claims else None
        for exporter in ("legacy",) if claims else ("legacy", "dynamo"):
            path = str(folder / f"{name}-{exporter}.onnx")
            new = exporter == "dynamo"
            options = dict(dynamo=True, external_data=False) if new else dict(dynamo=False, opset_version=17, dynamic_axes=axes)
            torch.onnx.export(net, (image(*sizes[0]),), path, input_names=["input"], output_names=["output"], **options)
            model = onnx.load(path)
            model.ClearField("doc_string")
            for part in [model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]:
                part.ClearField("doc_string")
                part.ClearField("metadata_props")
            del model.graph.value_info[:]
            onnx.save(model, path)


main(pathlib.Path(__file__).with_name("sizes"))
