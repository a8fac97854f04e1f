#!/usr/bin/env python3
"""Times steps of training in gansr beside PyTorch and prints a table.

    python3 docs/benchmarks/train.py [--rounds 3] [--threads 2] [--modes eager,channels_last,compile] [SETUP:BATCH ...]

runs in the root of the repository, with a Python that has torch (2.15 for the figures in docs/benchmarks.md). A SETUP is one of
`gansr bench --train`: "course" is a step of the critic and one of the generator with the course's losses (WGAN-GP, perceptual loss on
VGG16 up to relu3_3, total variation), LR 64x64; "compact" and "rrdb" are steps of SRVGGNetCompact (64 features, 32 convolutions) and
RRDBNet (23 blocks) with an L1 loss, LR 32x32; all of them make pictures four times as large.

The programs take turns, each in a process of its own that does a step of each kind to warm up. The table has medians over the rounds of
the medians of a process: on a machine that others use too, only numbers of the same call compare. The best of PyTorch's modes counts, for
each step by itself. Memory is the largest that a process ever took, in MB; of PyTorch's modes the least counts.
"""
import argparse, json, os, statistics, subprocess, sys, tempfile

SETUPS = {"course": 64, "compact": 32, "rrdb": 32}
DEFAULT = ["course:4", "course:1", "compact:8", "rrdb:8"]


def torch_steps(setup, batch, mode):
    """The steps by name, as functions."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    def conv(i, o, k=3, **more):
        return nn.Conv2d(i, o, k, padding=k // 2, **more)

    class Residual(nn.Module):  # of the course's generator
        def __init__(self, i, o):
            super().__init__()
            self.conv1, self.norm1, self.conv2, self.norm2 = conv(i, o, 7, bias=False), nn.BatchNorm2d(o), conv(o, o, 7, bias=False), nn.BatchNorm2d(o)
            self.shortcut = conv(i, o, 1, bias=False)

        def forward(self, x):
            return self.norm2(F.relu(self.conv2(self.norm1(F.relu(self.conv1(x)))) + self.shortcut(x)))

    class CourseGenerator(nn.Module):
        def __init__(self):
            super().__init__()
            widths = [3, 16, 32, 64, 128, 256]
            self.body = nn.Sequential(*map(Residual, widths, widths[1:]), nn.PixelShuffle(4), conv(16, 3, 7))

        def forward(self, x):
            return self.body(x) + F.interpolate(x, scale_factor=4, mode="bilinear", align_corners=True)

    def course_critic():
        widths, layers = [3, 32, 64, 128, 256, 512, 1024], []
        for n, (i, o) in enumerate(zip(widths, widths[1:])):
            layers += [conv(i, o, 9 if n == 0 else 5, stride=2), nn.LeakyReLU()]
        return nn.Sequential(*layers, nn.AvgPool2d(4), nn.Flatten(), nn.Linear(1024, 1, bias=False))

    def vgg16():
        layers, i = [], 3
        for n, o in enumerate([64, 64, 128, 128, 256, 256, 256]):
            layers += [nn.MaxPool2d(2)] if n in (2, 4) else []
            layers += [conv(i, o), nn.ReLU()]
            i = o
        return nn.Sequential(*layers).eval().requires_grad_(False)

    class Compact(nn.Module):
        def __init__(self):
            super().__init__()
            layers = [conv(3, 64), nn.PReLU(64)]
            for _ in range(32):
                layers += [conv(64, 64), nn.PReLU(64)]
            self.body = nn.Sequential(*layers, conv(64, 48), nn.PixelShuffle(4))

        def forward(self, x):
            return self.body(x) + F.interpolate(x, scale_factor=4, mode="nearest")

    class Dense(nn.Module):  # a block of RRDBNet's blocks
        def __init__(self):
            super().__init__()
            self.convs = nn.ModuleList([conv(64 + 32 * i, 32 if i < 4 else 64) for i in range(5)])

        def forward(self, x):
            xs = [x]
            for c in self.convs[:4]:
                xs.append(F.leaky_relu(c(torch.cat(xs, 1)), 0.2, inplace=True))
            return self.convs[4](torch.cat(xs, 1)) * 0.2 + x

    class Block(nn.Sequential):
        def __init__(self):
            super().__init__(Dense(), Dense(), Dense())

        def forward(self, x):
            return super().forward(x) * 0.2 + x

    class RRDBNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = conv(3, 64), conv(64, 3)
            self.body = nn.Sequential(*[Block() for _ in range(23)], conv(64, 64))
            self.up1, self.up2, self.hr = (conv(64, 64) for _ in range(3))

        def forward(self, x):
            x = self.first(x)
            x = x + self.body(x)
            for up in (self.up1, self.up2):
                x = F.leaky_relu(up(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2, inplace=True)
            return self.last(F.leaky_relu(self.hr(x), 0.2, inplace=True))

    ready = lambda net: net.to(memory_format=torch.channels_last) if mode == "channels_last" else net
    fast = lambda net: torch.compile(net) if mode == "compile" else net
    size = SETUPS[setup]
    lr, hr = torch.rand(batch, 3, size, size), torch.rand(batch, 3, 4 * size, 4 * size)
    generator = ready({"course": CourseGenerator, "compact": Compact, "rrdb": RRDBNet}[setup]())
    generate, adam = fast(generator), torch.optim.Adam(generator.parameters(), 5e-4)

    def learn(optimiser, net, loss, most):
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), most)
        optimiser.step()

    if setup != "course":
        def step():
            adam.zero_grad()
            learn(adam, generator, F.l1_loss(generate(lr), hr), 1.0)
        return {"generator": step}
    critic, vgg = ready(course_critic()), ready(vgg16())
    features, critic_adam = fast(vgg), torch.optim.Adam(critic.parameters(), 1e-4)

    def critic_step():  # compiled functions have no gradients of gradients
        with torch.no_grad():
            fake = generate(lr)
        critic_adam.zero_grad()
        share = torch.rand(batch, 1, 1, 1)
        mixed = (share * hr + (1 - share) * fake).requires_grad_(True)
        score = critic(mixed)
        slope, = torch.autograd.grad(score, mixed, torch.ones_like(score), create_graph=True)
        penalty = ((slope.flatten(1).norm(2, 1) - 1) ** 2).mean()
        learn(critic_adam, critic, critic(fake).mean() - critic(hr).mean() + 30 * penalty, 5.0)

    def generator_step():
        adam.zero_grad()
        y = generate(lr)
        with torch.no_grad():
            target = features(hr)
        variation = (y[:, :, :-1] - y[:, :, 1:]).abs().mean() + (y[..., :-1] - y[..., 1:]).abs().mean()
        learn(adam, generator, F.l1_loss(features(y), target) + 0.1 * variation - 0.01 * critic(y).mean(), 1.0)

    return {"critic": critic_step, "generator": generator_step}


def child(setup, batch, mode, runs, threads):
    """Prints the median times in ms by step, and the peak memory in bytes."""
    import resource, time
    import torch
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    steps = torch_steps(setup, batch, mode)
    times = {name: [] for name in steps}
    for _ in range(runs + 1):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            times[name].append((time.perf_counter() - began) * 1e3)
    print(json.dumps({"peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                      **{name + "_step_ms": statistics.median(t[1:]) for name, t in times.items()}}))


def call(*command):
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("setups", nargs="*", default=DEFAULT, metavar="SETUP:BATCH", help="default: " + " ".join(DEFAULT))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--runs", type=int, default=3, help="in each process")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--modes", default="eager,channels_last,compile", help="of PyTorch; compiling takes minutes")
    p.add_argument("--gansr", help="a program to measure instead of building one")
    p.add_argument("--child", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.child:
        setup, batch = a.setups[0].split(":")
        return child(setup, int(batch), a.child, a.runs, a.threads)
    with tempfile.TemporaryDirectory() as tmp:
        gansr = a.gansr or os.path.join(tmp, "gansr")
        if not a.gansr:
            subprocess.run(["go", "build", "-o", gansr, "./cmd/gansr"], check=True, env={**os.environ, "CGO_ENABLED": "0"})
        measure(a, gansr)


def measure(a, gansr):
    modes = a.modes.split(",")
    print(f"ms, {a.threads} threads, median of {a.rounds} rounds\n")
    print("| setup | batch | step | gansr | " + " | ".join(modes) + " | PyTorch / gansr | MB, gansr | MB, PyTorch |")
    print("|---" * (7 + len(modes)) + "|")
    for setup in a.setups:
        name, batch = setup.split(":")
        got = {k: [] for k in ["gansr", *modes]}
        for _ in range(a.rounds):
            for k, v in got.items():
                if k == "gansr":
                    v.append(call(gansr, "bench", "--train", name, "--batch", batch, "--threads", str(a.threads), "--runs", str(a.runs), "--json"))
                else:
                    v.append(call(sys.executable, __file__, "--child", k, "--runs", str(a.runs), "--threads", str(a.threads), setup))
        peak = {k: max(r["peak_bytes"] for r in v) / 1e6 for k, v in got.items()}
        for step in ["critic", "generator"] if name == "course" else ["generator"]:
            med = {k: statistics.median(r[step + "_step_ms"] for r in v) for k, v in got.items()}
            best = min(med[k] for k in modes)
            print(f"| {name} | {batch} | {step} | " + " | ".join(f"{med[k]:.0f}" for k in got) +
                  f" | {best / med['gansr']:.2f} | {peak['gansr']:.0f} | {min(peak[k] for k in modes):.0f} |", flush=True)


if __name__ == "__main__":
    main()
