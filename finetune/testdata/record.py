#!/usr/bin/env python3
"""Records what PyTorch's optimisers do (adam.json), and short trainings in float64, one for each adversarial loss (small-*.safetensors, which
TestTrajectories follows). Usage: record.py, in this folder. Needs torch and safetensors."""
import json

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F


def optimisers():
    cases = []
    for kind, options in [("Adam", {}), ("Adam", {"weight_decay": 0.1, "betas": (0.5, 0.9), "eps": 1e-3}), ("AdamW", {"weight_decay": 0.1}), ("AdamW", {})]:
        torch.manual_seed(1)
        params = [nn.Parameter(torch.randn(n)) for n in (5, 3)]
        initial = [p.tolist() for p in params]
        options = {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, **options}
        optimiser = getattr(torch.optim, kind)(params, foreach=False, **options)
        grads, after = [], []
        for step in range(12):
            for p in params:
                p.grad = torch.randn_like(p) * 10.0 ** (step % 4 - 2)
            grads.append([p.grad.tolist() for p in params])
            norm = nn.utils.clip_grad_norm_(params, 1.0).item() if step % 2 else 0
            optimiser.step()
            after.append({"Norm": norm, "Weights": [p.tolist() for p in params]})
        cases.append({"Kind": kind, "Rate": options["lr"], "Beta1": options["betas"][0], "Beta2": options["betas"][1], "Epsilon": options["eps"],
                      "Decay": options["weight_decay"], "Initial": initial, "Grads": grads, "After": after})
    with open("adam.json", "w") as f:
        json.dump(cases, f)


class Block(nn.Module):
    def __init__(self, i, o, k):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(i, o, k, padding=k // 2, bias=False), nn.Conv2d(o, o, k, padding=k // 2, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(o), nn.BatchNorm2d(o)
        self.shortcut = nn.Sequential(nn.Conv2d(i, o, 1, bias=False))

    def forward(self, x):
        y = self.bn1(F.relu(self.conv1(x)))
        return self.bn2(F.relu(self.conv2(y) + self.shortcut(x)))


class Generator(nn.Module):
    def __init__(self, widths, k, scale):
        super().__init__()
        blocks = [Block(i, o, k) for i, o in zip([3] + widths, widths)]
        self.scale = scale
        self.model = nn.Sequential(*blocks, nn.PixelShuffle(scale), nn.Conv2d(widths[-1] // scale**2, 3, k, padding=k // 2))

    def forward(self, x):
        return F.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=True) + self.model(x)


class Critic(nn.Module):
    def __init__(self, widths, pool):
        super().__init__()
        layers = []
        for n, (i, o) in enumerate(zip([3] + widths, widths)):
            k = 5 if n else 9
            layers += [nn.Conv2d(i, o, k, stride=2, padding=k // 2), nn.LeakyReLU(0.01)]
        self.model = nn.Sequential(*layers, nn.AvgPool2d(pool), nn.Flatten(), nn.Linear(widths[-1], 1, bias=False))

    def features(self, x):
        taps = []
        for layer in self.model:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                taps.append(x)
        return x, taps

    def forward(self, x):
        return self.features(x)[0]


def losses(kind):
    """The critic's loss and the generator's, of scores of real and generated pictures."""
    sp = F.softplus
    above = lambda a, b: (sp(b.mean() - a).mean() + sp(b - a.mean()).mean()) / 2
    return {
        "wgan-gp": (lambda r, f: f.mean() - r.mean(), lambda r, f: -f.mean()),
        "wgan-clip": (lambda r, f: f.mean() - r.mean(), lambda r, f: -f.mean()),
        "hinge": (lambda r, f: F.relu(1 - r).mean() + F.relu(1 + f).mean(), lambda r, f: -f.mean()),
        "lsgan": (lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2, lambda r, f: ((f - 1) ** 2).mean() / 2),
        "vanilla": (lambda r, f: sp(-r).mean() + sp(f).mean(), lambda r, f: sp(-f).mean()),
        "relativistic": (above, lambda r, f: above(f, r)),
    }[kind]


def record(kind, content, schedule="per-batch", n_critic=2, batches=5, decay=0.0, rates="constant", seed=0, epoch=2):
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64)
    widths, critic_widths, vgg_widths, scale, k, size, n = [4, 8], [4, 6], [4, 6], 2, 3, 8, 2
    s = {"scale": scale, "generator_channels": widths, "critic_channels": critic_widths, "vgg_widths": vgg_widths, "adversarial": kind, "n_critic": n_critic,
         "schedule": schedule, "epoch_batches": epoch, "generator_lr": 5e-4, "critic_lr": 1e-4, "clip_grad_generator": 1.0, "clip_grad_critic": 5.0,
         "lambda_gp": 10, "clip": 0.05 if kind == "wgan-clip" else 0, "adversarial_weight": 0.1, "decay": decay, "rates": rates, "tv_weight": 0, "perceptual_weight": 0, **content}
    g, c = Generator(widths, k, scale), Critic(critic_widths, size * scale // 2 ** len(critic_widths))
    v = nn.Sequential(*[m for i, o in [(3, 4), (4, 4)] for m in (nn.Conv2d(i, o, 3, padding=1), nn.ReLU())], nn.MaxPool2d(2),
                      *[m for i, o in [(4, 6), (6, 6)] for m in (nn.Conv2d(i, o, 3, padding=1), nn.ReLU())])
    for m in (g, c, v):  # what is recorded is float32
        for p in list(m.parameters()) + list(m.buffers()):
            p.data = p.data.float().to(p.dtype) if p.is_floating_point() else p.data
    out = {}

    def store(prefix, module):
        for name, t in module.state_dict().items():
            if t.is_floating_point():
                out[prefix + name] = t.detach().float().clone()

    for name, m in [("generator", g), ("critic", c), ("vgg", v)]:
        store(f"initial.{name}.", m)
    v.requires_grad_(False)
    make = torch.optim.AdamW if decay else torch.optim.Adam
    og, oc = make(g.parameters(), s["generator_lr"], weight_decay=decay), make(c.parameters(), s["critic_lr"], weight_decay=decay)
    if rates == "cosine":
        factor = lambda b: 0.1 + 0.9 * (1 + torch.cos(torch.tensor(torch.pi * b / batches)).item()) / 2
    elif rates == "step":
        factor = lambda b: 0.5 ** (b // epoch)
    else:
        factor = lambda b: 1.0
    critic_loss, generator_loss = losses(kind)
    log_c, log_g, at, waiting = [], [], [], 0
    for b in range(batches):
        hr = torch.randn(n, 3, size * scale, size * scale).float().double()
        lr = F.interpolate(hr, scale_factor=1 / scale, mode="bilinear", antialias=True).float().double()
        out[f"batch.{b}.lr"], out[f"batch.{b}.hr"] = lr.float(), hr.float()
        for o, rate in ((og, s["generator_lr"]), (oc, s["critic_lr"])):
            o.param_groups[0]["lr"] = rate * factor(b)
        for j in range(n_critic if schedule == "interleaved" else 1):
            e = torch.rand(n, 1, 1, 1).float().double()
            out[f"batch.{b}.epsilon.{j}"] = e.float()
            with torch.no_grad():
                fake = g(lr)
            loss, norm = critic_loss(c(hr), c(fake)), torch.tensor(0.0)
            total = loss
            if kind == "wgan-gp":
                x = (e * hr + (1 - e) * fake).requires_grad_(True)
                score = c(x)
                (d,) = torch.autograd.grad(score, x, torch.ones_like(score), create_graph=True)
                norms = d.flatten(1).norm(2, 1)
                norm, total = norms.mean(), loss + s["lambda_gp"] * ((norms - 1) ** 2).mean()
            oc.zero_grad()
            total.backward()
            length = nn.utils.clip_grad_norm_(c.parameters(), s["clip_grad_critic"])
            oc.step()
            if s["clip"]:
                for p in c.parameters():
                    p.data.clamp_(-s["clip"], s["clip"])
            log_c.append([loss.item(), total.item(), norm.item(), length.item()])
        waiting += 1
        if schedule == "per-batch" and b >= epoch and waiting < n_critic:
            continue
        waiting = 0
        y = g(lr)
        (fake, taps), (real, want) = c.features(y), c.features(hr)
        tv = (y[:, :, :-1] - y[:, :, 1:]).abs().mean() + (y[..., :-1] - y[..., 1:]).abs().mean()
        perceptual = F.l1_loss(v(y), v(hr))
        terms = {"l1": F.l1_loss(y, hr), "l2": F.mse_loss(y, hr), "charbonnier": ((y - hr) ** 2 + 1e-6).sqrt().mean(), "tv_weight": tv,
                 "perceptual_weight": perceptual, "features": sum(F.l1_loss(a, w.detach()) for a, w in zip(taps, want)) / len(taps)}
        content_loss = sum(s.get(name, 0) * t for name, t in terms.items())
        adversarial = s["adversarial_weight"] * generator_loss(real, fake)
        total = content_loss + min(1, (b // epoch) / 5) * adversarial
        og.zero_grad()
        total.backward()
        length = nn.utils.clip_grad_norm_(g.parameters(), s["clip_grad_generator"])
        og.step()
        log_g.append([total.item(), content_loss.item(), -adversarial.item(), perceptual.item() if s["perceptual_weight"] else 0.0, tv.item() if s["tv_weight"] else 0.0, length.item()])
        at.append(b)
    for name, m in [("generator", g), ("critic", c)]:
        store(f"final.{name}.", m)
    x = torch.randn(1, 3, 6, 5).float().double()
    out["eval.input"], out["eval.output"] = x.float(), g.eval()(x).detach().float()
    out["log.critic"], out["log.generator"], out["log.generator_batch"] = torch.tensor(log_c), torch.tensor(log_g), torch.tensor(at)
    save_file({name: t.contiguous() for name, t in out.items()}, f"small-{kind}.safetensors", {name: t if isinstance(t, str) else json.dumps(t) for name, t in s.items()})


optimisers()
record("wgan-gp", {"perceptual_weight": 1, "tv_weight": 0.1}, batches=6)
record("wgan-clip", {"l1": 1}, schedule="interleaved", batches=3)
record("hinge", {"charbonnier": 1, "features": 0.5}, decay=0.01)
record("lsgan", {"l2": 1, "tv_weight": 0.2}, rates="cosine", epoch=1)
record("vanilla", {"l1": 0.5, "l2": 0.5, "perceptual_weight": 0.1}, rates="step", epoch=1)
record("relativistic", {"l1": 1, "features": 1}, schedule="interleaved", n_critic=1, epoch=1)
