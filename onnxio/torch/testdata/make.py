"""Writes small files as PyTorch and its users write them, and hostile ones. Needs torch, numpy and safetensors.

    python make.py

Beside each good file NAME lies NAME.safetensors, with the tensors that PyTorch has for it."""
import argparse
import collections
import io
import pathlib
import pickle
import struct

import zipfile

import numpy
import safetensors.torch
import torch
from torch import nn

here = pathlib.Path(__file__).parent
torch.manual_seed(1)


def want(name, tensors):
    # clone: safetensors refuses tensors that share memory
    safetensors.torch.save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, here / f"{name}.safetensors")


def save(name, value, tensors, **options):
    torch.save(value, here / name, **options)
    want(name, tensors)


# Views, shared storages, element types.
base = torch.randn(4, 6)
views = collections.OrderedDict(
    whole=base, transposed=base.t(), rows=base[1:3], columns=base[:, 2:5], strided=base[::2, ::3], expanded=base[:1, :1].expand(3, 5),
    scalar=torch.tensor(2.5), empty=torch.zeros(0, 3), half=base.half(), brain=base.bfloat16(), double=base.double(), channels_last=torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    i8=torch.tensor([-3, 4], dtype=torch.int8), i16=torch.tensor([-300, 4], dtype=torch.int16), i32=torch.tensor([-70000, 4], dtype=torch.int32),
    i64=torch.tensor([-2**40, 4]), u8=torch.tensor([200, 4], dtype=torch.uint8), flags=torch.tensor([True, False, True]), parameter=nn.Parameter(base[2]))
save("views.pth", views, views)
save("views-legacy.pth", views, views, _use_new_zipfile_serialization=False)
views16 = dict(views, u16=torch.tensor([60000], dtype=torch.uint16))
save("views-protocol4.pth", views16, views16, pickle_protocol=4)


# Whole modules.
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.act = nn.GELU()
        self.register_buffer("kept", torch.ones(2))
        self.register_buffer("dropped", torch.ones(3), persistent=False)


net = nn.Sequential(Block(), nn.ReLU(), Block())
net[2].conv.weight = net[0].conv.weight
save("module.pth", net, net.state_dict())
torch.serialization.get_source_lines_and_file = lambda *_: [][0]  # else it would hold PyTorch's source text
save("module-legacy.pth", {"epoch": 3, "model": net}, net.state_dict(), _use_new_zipfile_serialization=False)


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.act = nn.PReLU()

    def forward(self, x):
        return self.act(self.conv(x))


torch.jit.save(torch.jit.script(Scripted().eval()), here / "script.pt")
with zipfile.ZipFile(here / "script.pt") as z:  # without where the source text was
    kept = [(i.filename, z.read(i)) for i in z.infolist() if not i.filename.endswith(".debug_pkl")]
with zipfile.ZipFile(here / "script.pt", "w") as z:
    for name, data in kept:
        z.writestr(zipfile.ZipInfo(name), data)
want("script.pt", torch.jit.load(here / "script.pt").state_dict())

# Checkpoints of training programs.
small = lambda seed: {"conv.weight": torch.full((2, 3), float(seed)), "conv.bias": torch.full((2,), float(seed))}
prefixed = lambda prefix, d: {prefix + k: v for k, v in d.items()}
save("ema.pth", {"params": small(1), "params_ema": small(2)}, small(2))
save("gan.pth", {"netD": prefixed("big.", small(3)) | {"x": torch.zeros(99)}, "netG": prefixed("module.", small(4)), "optimizer_G": {"state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(2, 3)}}}}, small(4))
save("lightning.ckpt", {"epoch": 1, "global_step": 7, "state_dict": prefixed("generator.", small(5)) | prefixed("discriminator.", small(6)), "hyper_parameters": argparse.Namespace(lr=numpy.float64(0.1), path=pathlib.PurePosixPath("x"))}, small(5))
optimizer = torch.optim.Adam([nn.Parameter(torch.ones(2))])
save("compiled.pth", {"model_state_dict": prefixed("_orig_mod.module.", small(7)), "optimizer_state_dict": optimizer.state_dict(), "loss": torch.tensor(0.5)}, small(7))
save("average.pth", prefixed("module.", small(8)) | {"n_averaged": torch.tensor(3)}, small(8))
save("nested.pth", {"generator": {"step": 3, "state": {"net": small(9)}}}, small(9))


# Hostile files.
def archive(name, entries):
    with zipfile.ZipFile(here / name, "w") as z:
        for path, (data, method) in entries.items():
            z.writestr(zipfile.ZipInfo(path), data, method)


class Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def tensor(size, strides, offset=0, elements=4, key="0"):
    """The pickle of {"weight": tensor}."""
    number = lambda n: b"\x8a\x08" + struct.pack("<q", n)
    many = lambda ns: b"(" + b"".join(map(number, ns)) + b"t"
    return (b"\x80\x02}X\x06\0\0\0weightctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX" + struct.pack("<I", len(key)) + key.encode()
            + b"X\x03\0\0\0cpu" + number(elements) + b"tQ" + number(offset) + many(size) + many(strides) + b"\x89NtRs.")


plain, deflated = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
four = (struct.pack("<4f", 1, 2, 3, 4), plain)


def bad(name, pkl, storage=four, **more):
    archive(f"bad-{name}.pth", {"a/data.pkl": (pkl, plain), "a/data/0": storage} | {f"a/{k}": v for k, v in more.items()})


import os

bad("system", pickle.dumps({"weight": Call(os.system, "echo broken > /tmp/broken")}, 2))
bad("eval", pickle.dumps({"weight": Call(eval, "1")}, 4))
bad("getattr", pickle.dumps({"weight": Call(getattr, "x", "upper")}, 4))
bad("reference", pickle.dumps({"weight": os.system}, 2))
bad("object", pickle.dumps({"a": Call(pathlib.PurePosixPath, "x"), "b": Block.__new__(Block)}, 2))  # a module without its state
bad("huge", tensor([10**6, 10**6], [10**6, 1], elements=10**12))
bad("expanded", tensor([10**4, 10**4], [0, 0]))
bad("strides", tensor([2, 2], [3, 1]))
bad("offset", tensor([2, 2], [2, 1], offset=1))
bad("negative", tensor([2, 2], [-2, 1], offset=2))
bad("overflow", tensor([2**32, 2**32], [2**32, 2**32]))
bad("truncated", tensor([2, 2], [2, 1]), storage=(b"\0" * 15, plain))
bad("missing", tensor([2, 2], [2, 1], key="7"))
bad("bomb", tensor([2, 2], [2, 1]), storage=(b"\0" * 40_000_000, deflated))
bad("bigendian", tensor([2, 2], [2, 1]), byteorder=(b"big", plain))
archive("bad-outside.pth", {"a/data.pkl": (tensor([4], [1]), plain), "a/data/0": four, "a/../../b": (b"x", plain)})
archive("bad-nodata.pth", {"a/b": (b"x", plain)})
bad("deep", b"\x80\x02" + b"}X\x01\0\0\0a" * 10_000 + b"}" + b"s" * 10_000 + b".")
bad("laughs", b"\x80\x02}q\x00" + b"".join(b"}(X\x01\0\0\0ah%cX\x01\0\0\0bh%cuq%c" % (i, i, i + 1) for i in range(60)) + b"0" * 61 + b"h\x3c.")
bad("noend", tensor([4], [1])[:-1])
bad("number", b"\x80\x02K\x01.")
legacy = (here / "views-legacy.pth").read_bytes()
(here / "bad-legacy-truncated.pth").write_bytes(legacy[:-1])
(here / "bad-legacy-bigendian.pth").write_bytes(legacy.replace(b"little_endian\x71\x02\x88", b"little_endian\x71\x02\x89"))


def safe(name, header, data):
    header = header.encode()
    (here / f"bad-{name}.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + data)


safe("overlap", '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}', b"\0" * 12)
safe("hole", '{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}', b"\0" * 12)
safe("size", '{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}', b"\0" * 8)
safe("large", '{"a":{"dtype":"F32","shape":[1000000,1000000],"data_offsets":[0,4000000000000]}}', b"\0" * 8)
safe("overflow", '{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}}', b"\0" * 8)
safe("behind", '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', b"\0" * 9)
safe("type", '{"a":{"dtype":"F3","shape":[2],"data_offsets":[0,8]}}', b"\0" * 8)
safe("json", '{"a":{"dtype":"F32\n', b"\0" * 8)
(here / "bad-header.safetensors").write_bytes(struct.pack("<Q", 90_000_000) + b"{}")
