#!/usr/bin/env python3
"""Writes networks.json: for some hyper-parameters of each architecture the names and shapes of PyTorch's state
dictionary and, for the small ones, PyTorch's output for weights and an input that fill() makes.
usage: make.py (in any folder; needs torch)"""
import json, math, pathlib
import torch
import torch.nn.functional as F
from torch import nn


class SRVGGNetCompact(nn.Module):
    def __init__(self, num_in_ch=3, num_out_ch=3, num_feat=64, num_conv=16, upscale=4, act_type="prelu"):
        super().__init__()
        act = {"prelu": lambda: nn.PReLU(num_feat), "relu": nn.ReLU, "leakyrelu": lambda: nn.LeakyReLU(0.1)}[act_type]
        chain = [nn.Conv2d(num_in_ch, num_feat, 3, padding=1), act()]
        for _ in range(num_conv):
            chain.extend((nn.Conv2d(num_feat, num_feat, 3, padding=1), act()))
        chain.append(nn.Conv2d(num_feat, num_out_ch * upscale**2, 3, padding=1))
        self.body, self.scale = nn.Sequential(*chain), upscale

    def forward(self, x):
        return F.pixel_shuffle(self.body(x), self.scale) + F.interpolate(x, scale_factor=self.scale, mode="nearest")


class Dense(nn.Module):
    def __init__(self, feat, grow):
        super().__init__()
        for i in range(1, 6):
            self.add_module(f"conv{i}", nn.Conv2d(feat + (i - 1) * grow, grow if i < 5 else feat, 3, padding=1))

    def forward(self, x):
        h = x
        for i in range(1, 5):
            h = torch.cat((h, F.leaky_relu(getattr(self, f"conv{i}")(h), 0.2)), 1)
        return x + 0.2 * self.conv5(h)


class Residual(nn.Module):
    def __init__(self, feat, grow):
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (Dense(feat, grow) for _ in range(3))

    def forward(self, x):
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDBNet(nn.Module):
    def __init__(self, num_in_ch=3, num_out_ch=3, scale=4, num_feat=64, num_block=23, num_grow_ch=32):
        super().__init__()
        self.fold = 4 // scale
        self.conv_first = nn.Conv2d(num_in_ch * self.fold**2, num_feat, 3, padding=1)
        self.body = nn.Sequential(*(Residual(num_feat, num_grow_ch) for _ in range(num_block)))
        for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
            self.add_module(name, nn.Conv2d(num_feat, num_feat, 3, padding=1))
        self.conv_last = nn.Conv2d(num_feat, num_out_ch, 3, padding=1)

    def forward(self, x):
        x = self.conv_first(F.pixel_unshuffle(x, self.fold))
        x = x + self.conv_body(self.body(x))
        for conv in (self.conv_up1, self.conv_up2):
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(x), 0.2))


class Block(nn.Module):
    def __init__(self, cin, cout, k):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(cin, cout, k, padding="same", bias=False), nn.BatchNorm2d(cout)
        self.conv2, self.bn2 = nn.Conv2d(cout, cout, k, padding="same", bias=False), nn.BatchNorm2d(cout)
        self.shortcut = nn.Sequential(nn.Conv2d(cin, cout, 1, bias=False))

    def forward(self, x):
        h = self.bn1(F.relu(self.conv1(x)))
        return self.bn2(F.relu(self.conv2(h) + self.shortcut(x)))


class CourseGenerator(nn.Module):
    def __init__(self, widths=(16, 32, 64, 128, 256), kernel=7, scale=4):
        super().__init__()
        channels, self.scale = [3, *widths], scale
        blocks = [Block(a, b, kernel) for a, b in zip(channels, widths)]
        self.model = nn.Sequential(*blocks, nn.PixelShuffle(scale), nn.Conv2d(widths[-1] // scale**2, 3, kernel, padding="same"))

    def forward(self, x):
        return self.model(x) + F.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=True)


class CourseCritic(nn.Module):
    def __init__(self, widths=(32, 64, 128, 256, 512, 1024), pool=4):
        super().__init__()
        layers, cin = [], 3
        for cout in widths:
            k = 5 if layers else 9
            layers += [nn.Conv2d(cin, cout, k, 2, k // 2), nn.LeakyReLU(0.01)]
            cin = cout
        self.model = nn.Sequential(*layers, nn.AvgPool2d(pool), nn.Flatten(), nn.Linear(cin, 1, bias=False))

    def forward(self, x):
        return self.model(x)


class PatchGAN(nn.Module):
    def __init__(self, ndf=64, n_layers=3, norm="none"):
        super().__init__()
        layers, cin = [nn.Conv2d(3, ndf, 4, 2, 1), nn.LeakyReLU(0.2)], ndf
        for n in range(1, n_layers + 1):
            cout = ndf * min(2**n, 8)
            between = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d, "none": lambda _: nn.Identity()}[norm](cout)
            layers += [nn.Conv2d(cin, cout, 4, 2 if n < n_layers else 1, 1, bias=norm == "instance"), between, nn.LeakyReLU(0.2)]
            cin = cout
        self.model = nn.Sequential(*layers, nn.Conv2d(cin, 1, 4, 1, 1))

    def forward(self, x):
        return self.model(x)


class UNetDiscriminatorSN(nn.Module):
    def __init__(self, num_in_ch=3, num_feat=64, skip_connection="true"):
        super().__init__()
        f, norm, self.skip = num_feat, nn.utils.spectral_norm, skip_connection == "true"
        self.conv0 = nn.Conv2d(num_in_ch, f, 3, 1, 1)
        for i, (a, b, k) in enumerate([(f, 2 * f, 4), (2 * f, 4 * f, 4), (4 * f, 8 * f, 4), (8 * f, 4 * f, 3), (4 * f, 2 * f, 3), (2 * f, f, 3), (f, f, 3), (f, f, 3)]):
            self.add_module(f"conv{i + 1}", norm(nn.Conv2d(a, b, k, 2 if k == 4 else 1, 1, bias=False)))
        self.conv9 = nn.Conv2d(f, 1, 3, 1, 1)

    def forward(self, x):
        act, down = lambda y: F.leaky_relu(y, 0.2), []
        x = act(self.conv0(x))
        for conv in (self.conv1, self.conv2, self.conv3):
            down.append(x)
            x = act(conv(x))
        for conv in (self.conv4, self.conv5, self.conv6):
            x = act(conv(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)))
            x = x + down.pop() if self.skip else x
        return self.conv9(act(self.conv8(act(self.conv7(x)))))


class DRUNet(nn.Module):
    def __init__(self, in_nc=4, out_nc=3, nc=(64, 128, 256, 512), nb=4):
        super().__init__()
        conv = lambda a, b, k, s=1: nn.Conv2d(a, b, k, s, k // 2 if s == 1 else 0, bias=False)
        self.m_head, self.m_tail = conv(in_nc, nc[0], 3), conv(nc[0], out_nc, 3)
        blocks = lambda width: [Plain(width) for _ in range(nb)]
        for i in range(3):
            self.add_module(f"m_down{i + 1}", nn.Sequential(*blocks(nc[i]), conv(nc[i], nc[i + 1], 2, 2)))
            self.add_module(f"m_up{i + 1}", nn.Sequential(nn.ConvTranspose2d(nc[i + 1], nc[i], 2, 2, bias=False), *blocks(nc[i])))
        self.m_body = nn.Sequential(*blocks(nc[3]))

    def forward(self, x):
        sizes = [self.m_head(x)]
        for down in (self.m_down1, self.m_down2, self.m_down3):
            sizes.append(down(sizes[-1]))
        h = self.m_body(sizes[3])
        for up, skip in zip((self.m_up3, self.m_up2, self.m_up1), sizes[:0:-1]):
            h = up(h + skip)
        return self.m_tail(h + sizes[0])


class Plain(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.res = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1, bias=False))

    def forward(self, x):
        return x + self.res(x)


def fill(name, shape):
    """Values that the tests make too: a pattern in -1..1, scaled so that activations keep their size."""
    n = math.prod(shape)
    v = ((torch.arange(n, dtype=torch.float64) * 31 + len(name) * 17) % 101 - 50) / 50
    if name == "input":
        v = v * 0.5 + 0.5
    elif len(shape) > 1:
        v = v * math.sqrt(3 / math.prod(shape[1:]))
    elif name.endswith("weight_u"):  # with weight_v, mostly the first row of the weights, so that what they divide by is not small
        v = torch.cat((torch.ones(1), 0.1 * v[1:]))
    elif name.endswith("weight_v"):
        v = ((torch.arange(n, dtype=torch.float64) * 31 + (len(name) + 3) * 17) % 101 - 50) / 50 * math.sqrt(3 / n)
    elif name.endswith("running_var") or "bn" in name and name.endswith("weight"):
        v = 1 + 0.5 * v
    else:
        v = 0.1 * v
    return v.reshape(shape).float()


CASES = [  # class, arguments, input shape (None: names and shapes only)
    (SRVGGNetCompact, {}, None), (RRDBNet, {}, None), (CourseGenerator, {}, None), (CourseCritic, {}, None), (RRDBNet, dict(scale=2), None),
    (SRVGGNetCompact, dict(num_feat=4, num_conv=1, upscale=2), (1, 3, 5, 4)),
    (SRVGGNetCompact, dict(num_in_ch=1, num_out_ch=1, num_feat=4, num_conv=2, upscale=3, act_type="relu"), (2, 1, 3, 5)),
    (SRVGGNetCompact, dict(num_feat=4, num_conv=1, upscale=1, act_type="leakyrelu"), (1, 3, 5, 4)),
    (RRDBNet, dict(num_feat=4, num_block=1, num_grow_ch=2), (1, 3, 3, 4)),
    (RRDBNet, dict(num_feat=4, num_block=2, num_grow_ch=2, scale=2), (2, 3, 6, 4)),
    (RRDBNet, dict(num_in_ch=1, num_feat=3, num_block=1, num_grow_ch=2, scale=1), (1, 1, 8, 4)),
    (CourseGenerator, dict(widths=(2, 4, 8), kernel=5, scale=2), (1, 3, 6, 4)),
    (CourseCritic, dict(widths=(2, 3), pool=2), (2, 3, 8, 8)),
    (DRUNet, dict(in_nc=2, out_nc=1, nc=(2, 3, 4, 5), nb=2), (1, 2, 8, 8)),
    (PatchGAN, {}, None), (UNetDiscriminatorSN, {}, None),
    (PatchGAN, dict(ndf=2, n_layers=2), (2, 3, 16, 16)),
    (PatchGAN, dict(ndf=2, n_layers=4, norm="batch"), (1, 3, 64, 72)),
    (PatchGAN, dict(ndf=3, n_layers=1, norm="instance"), (2, 3, 12, 10)),
    (UNetDiscriminatorSN, dict(num_feat=2), (2, 3, 16, 8)),
    (UNetDiscriminatorSN, dict(num_feat=2, skip_connection="false"), (1, 3, 8, 8)),
]
out = []
for cls, args, shape in CASES:
    model = cls(**args).eval()
    state = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    case = {"architecture": cls.__name__, "params": {k: ",".join(map(str, v)) if isinstance(v, tuple) else str(v) for k, v in args.items()},
            "parameters": sum(p.numel() for p in model.parameters()), "state": {k: list(v.shape) for k, v in state.items()}}
    if shape:
        model.load_state_dict({k: fill(k, v.shape) for k, v in state.items()}, strict=False)
        with torch.no_grad():
            y = model(fill("input", shape))
        case |= {"input": list(shape), "shape": list(y.shape), "output": [float(f"{v:.8g}") for v in y.flatten().tolist()]}
        print(cls.__name__, args, list(y.shape), f"{y.min():.3f} {y.max():.3f} {y.std():.3f}")
    out.append(case)
lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in out)
(pathlib.Path(__file__).parent / "networks.json").write_text(f"[\n{lines}\n]\n")
