#!/usr/bin/env python3
"""Records what PyTorch's optimisers do (adam.json), and short trainings in float64, one for each adversarial loss (small-*.safetensors, which
TestTrajectories follows). Usage: record.py, in this folder. Needs torch and safetensors."""
import fnmatch
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


class PatchGAN(Critic):
    def __init__(self, ndf, n_layers, norm):
        nn.Module.__init__(self)
        layers, i = [nn.Conv2d(3, ndf, 4, 2, 1), nn.LeakyReLU(0.2)], ndf
        for n in range(1, n_layers + 1):
            o = ndf * min(2**n, 8)
            between = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d, "none": lambda _: nn.Identity()}[norm](o)
            layers += [nn.Conv2d(i, o, 4, 2 if n < n_layers else 1, 1, bias=norm == "instance"), between, nn.LeakyReLU(0.2)]
            i = o
        self.model = nn.Sequential(*layers, nn.Conv2d(i, 1, 4, 1, 1))


class UNetDiscriminatorSN(Critic):
    def __init__(self, num_feat):
        nn.Module.__init__(self)
        f = num_feat
        self.conv0 = nn.Conv2d(3, f, 3, 1, 1)
        for i, (a, b, k) in enumerate([(f, 2 * f, 4), (2 * f, 4 * f, 4), (4 * f, 8 * f, 4), (8 * f, 4 * f, 3), (4 * f, 2 * f, 3), (2 * f, f, 3), (f, f, 3), (f, f, 3)]):
            self.add_module(f"conv{i + 1}", nn.utils.spectral_norm(nn.Conv2d(a, b, k, 2 if k == 4 else 1, 1, bias=False)))
        self.conv9 = nn.Conv2d(f, 1, 3, 1, 1)

    def features(self, x):
        taps = []

        def act(y):
            taps.append(F.leaky_relu(y, 0.2))
            return taps[-1]

        x, down = act(self.conv0(x)), []
        for conv in (self.conv1, self.conv2, self.conv3):
            down.append(x)
            x = act(conv(x))
        for conv in (self.conv4, self.conv5, self.conv6):
            x = act(conv(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))) + down.pop()
        return self.conv9(act(self.conv8(act(self.conv7(x))))), taps


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


def record(kind, content, schedule="per-batch", n_critic=2, batches=5, decay=0.0, rates="constant", seed=0, epoch=2, critic=None, name=None, n=2, parts=1, groups=None):
    """critic: the class and arguments of another critic than the course's; parts: how many parts of a batch go through the networks one after the
    other; groups: the patterns of names, the rate's factor and the decay of parameters that are learned otherwise."""
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64)
    widths, critic_widths, vgg_widths, scale, k, size = [4, 8], [4, 6], [4, 6], 2, 3, 8
    s = {"scale": scale, "generator_channels": widths, "critic_channels": critic_widths, "vgg_widths": vgg_widths, "adversarial": kind, "n_critic": n_critic,
         "schedule": schedule, "epoch_batches": epoch, "generator_lr": 5e-4, "critic_lr": 1e-4, "clip_grad_generator": 1.0, "clip_grad_critic": 5.0,
         "lambda_gp": 10, "clip": 0.05 if kind == "wgan-clip" else 0, "adversarial_weight": 0.1, "decay": decay, "rates": rates, "tv_weight": 0, "perceptual_weight": 0, **content}
    g = Generator(widths, k, scale)
    if critic:
        c = critic[0](**critic[1])
        s |= {"critic": critic[0].__name__, "critic_params": critic[1]}
    else:
        c = Critic(critic_widths, size * scale // 2 ** len(critic_widths))
    if parts > 1:
        s["micro_batch"] = n // parts
    if groups:
        s["groups"] = groups
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

    for of, m in [("generator", g), ("critic", c), ("vgg", v)]:
        store(f"initial.{of}.", m)
    v.requires_grad_(False)
    make = torch.optim.AdamW if decay else torch.optim.Adam

    def optimiser(module, rate):
        sets = [{"params": [], "lr": rate, "factor": 1.0}] + [{"params": [], "lr": rate, "factor": x["Rate"], "weight_decay": x["Decay"]} for x in groups or []]
        for name, p in module.named_parameters():
            at = [i for i, x in enumerate(groups or []) if any(fnmatch.fnmatchcase(name, y) for y in x["Names"])]
            sets[at[0] + 1 if at else 0]["params"].append(p)
        return make(sets, weight_decay=decay)

    og, oc = optimiser(g, s["generator_lr"]), optimiser(c, s["critic_lr"])
    if rates == "cosine":
        factor = lambda b: 0.1 + 0.9 * (1 + torch.cos(torch.tensor(torch.pi * b / batches)).item()) / 2
    elif rates == "step":
        factor = lambda b: 0.5 ** (b // epoch)
    else:
        factor = lambda b: 1.0
    critic_loss, generator_loss = losses(kind)
    def generator_step(lr, hr, b):
        y = g(lr)
        (fake, taps), (real, want) = c.features(y), c.features(hr)
        tv = (y[:, :, :-1] - y[:, :, 1:]).abs().mean() + (y[..., :-1] - y[..., 1:]).abs().mean()
        perceptual = F.l1_loss(v(y), v(hr))
        terms = {"l1": F.l1_loss(y, hr), "l2": F.mse_loss(y, hr), "charbonnier": ((y - hr) ** 2 + 1e-6).sqrt().mean(), "tv_weight": tv,
                 "colour": F.l1_loss(F.avg_pool2d(y, 4 * scale), F.avg_pool2d(lr, 4)),
                 "perceptual_weight": perceptual, "features": sum(F.l1_loss(a, w.detach()) for a, w in zip(taps, want)) / len(taps)}
        content_loss = sum(s.get(name, 0) * t for name, t in terms.items())
        adversarial = s["adversarial_weight"] * generator_loss(real, fake)
        total = content_loss + min(1, (b // epoch) / 5) * adversarial
        (total / parts).backward()
        return [total.item(), content_loss.item(), -adversarial.item(), perceptual.item() if s["perceptual_weight"] else 0.0, tv.item() if s["tv_weight"] else 0.0]

    log_c, log_g, at, waiting = [], [], [], 0
    for b in range(batches):
        hr = torch.randn(n, 3, size * scale, size * scale).float().double()
        lr = F.interpolate(hr, scale_factor=1 / scale, mode="bilinear", antialias=True).float().double()
        out[f"batch.{b}.lr"], out[f"batch.{b}.hr"] = lr.float(), hr.float()
        for o, rate in ((og, s["generator_lr"]), (oc, s["critic_lr"])):
            for x in o.param_groups:
                x["lr"] = rate * factor(b) * x["factor"]
        for j in range(n_critic if schedule == "interleaved" else 1):
            e = torch.rand(n, 1, 1, 1).float().double()
            out[f"batch.{b}.epsilon.{j}"] = e.float()
            oc.zero_grad()
            figures = []
            for lr_, hr_, e_ in zip(lr.chunk(parts), hr.chunk(parts), e.chunk(parts)):
                with torch.no_grad():
                    fake = g(lr_)
                loss, norm = critic_loss(c(hr_), c(fake)), torch.tensor(0.0)
                total = loss
                if kind == "wgan-gp":
                    x = (e_ * hr_ + (1 - e_) * fake).requires_grad_(True)
                    score = c(x).flatten(1).mean(1)
                    (d,) = torch.autograd.grad(score, x, torch.ones_like(score), create_graph=True)
                    norms = d.flatten(1).norm(2, 1)
                    norm, total = norms.mean(), loss + s["lambda_gp"] * ((norms - 1) ** 2).mean()
                (total / parts).backward()
                figures.append([loss.item(), total.item(), norm.item()])
            length = nn.utils.clip_grad_norm_(c.parameters(), s["clip_grad_critic"])
            oc.step()
            if s["clip"]:
                for p in c.parameters():
                    p.data.clamp_(-s["clip"], s["clip"])
            log_c.append([sum(v) / parts for v in zip(*figures)] + [length.item()])
        waiting += 1
        if schedule == "per-batch" and b >= epoch and waiting < n_critic:
            continue
        waiting = 0
        og.zero_grad()
        figures = []
        for lr_, hr_ in zip(lr.chunk(parts), hr.chunk(parts)):
            figures.append(generator_step(lr_, hr_, b))
        length = nn.utils.clip_grad_norm_(g.parameters(), s["clip_grad_generator"])
        og.step()
        log_g.append([sum(v) / parts for v in zip(*figures)] + [length.item()])
        at.append(b)
    for of, m in [("generator", g), ("critic", c)]:
        store(f"final.{of}.", m)
    x = torch.randn(1, 3, 6, 5).float().double()
    out["eval.input"], out["eval.output"] = x.float(), g.eval()(x).detach().float()
    out["log.critic"], out["log.generator"], out["log.generator_batch"] = torch.tensor(log_c), torch.tensor(log_g), torch.tensor(at)
    save_file({name: t.contiguous() for name, t in out.items()}, f"small-{name or kind}.safetensors", {name: t if isinstance(t, str) else json.dumps(t) for name, t in s.items()})


def plateaus():
    """What ReduceLROnPlateau makes of losses: plateau.json."""
    torch.manual_seed(3)
    cases = []
    for factor, patience, threshold, cooldown, least in [(0.5, 2, 1e-4, 0, 0), (0.1, 0, 0.05, 3, 0.003), (0.7, 1, 0, 1, 0.2)]:
        p = nn.Parameter(torch.zeros(1))
        o = torch.optim.SGD([p], lr=1.0)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(o, factor=factor, patience=patience, threshold=threshold, cooldown=cooldown, min_lr=least, eps=0)
        losses = [5 / (1 + 0.5 * min(i, 12)) + 0.3 * torch.randn(1).item() for i in range(40)]
        rates = []
        for loss in losses:
            schedule.step(loss)
            rates.append(o.param_groups[0]["lr"])
        cases.append({"Factor": factor, "Patience": patience, "Threshold": threshold, "Cooldown": cooldown, "Least": least, "Losses": losses, "Rates": rates})
    with open("plateau.json", "w") as f:
        json.dump(cases, f)


optimisers()
plateaus()
record("wgan-gp", {"perceptual_weight": 1, "tv_weight": 0.1}, batches=6)
record("wgan-clip", {"l1": 1}, schedule="interleaved", batches=3)
record("hinge", {"charbonnier": 1, "features": 0.5}, decay=0.01)
record("lsgan", {"l2": 1, "tv_weight": 0.2}, rates="cosine", epoch=1)
record("vanilla", {"l1": 0.5, "l2": 0.5, "perceptual_weight": 0.1}, rates="step", epoch=1)
record("relativistic", {"l1": 1, "features": 1}, schedule="interleaved", n_critic=1, epoch=1)
unet = (UNetDiscriminatorSN, {"num_feat": 2})
record("hinge", {"l1": 1, "features": 0.5}, critic=unet, schedule="interleaved", n_critic=1, epoch=1, batches=4, name="unet-hinge")
record("wgan-gp", {"l1": 1}, critic=(PatchGAN, {"ndf": 4, "n_layers": 2, "norm": "instance"}), batches=3, epoch=1, name="patch-instance-wgan-gp")
record("lsgan", {"l1": 1, "features": 1}, critic=(PatchGAN, {"ndf": 4, "n_layers": 1, "norm": "batch"}), batches=3, epoch=1, name="patch-batch-lsgan")
record("wgan-gp", {"l1": 1, "colour": 0.5, "tv_weight": 0.1}, n=4, parts=2, decay=0.02, groups=[{"Names": ["*.bias", "*.bn*.weight"], "Rate": 2.5, "Decay": 0}], batches=4, epoch=1, name="parts-groups-wgan-gp")
