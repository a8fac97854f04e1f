#!/usr/bin/env python3
"""Writes attention.json, which is like networks.json, for networks with attention: the implementations are those of the package spandrel.
usage: attention.py (in any folder; needs torch and spandrel)"""
import json, math, pathlib
import torch
from spandrel.architectures.DAT import DAT
from spandrel.architectures.DRCT import DRCT
from spandrel.architectures.HAT import HAT
from spandrel.architectures.OmniSR import OmniSR
from spandrel.architectures.RGT import RGT
from spandrel.architectures.SCUNet import SCUNet
from spandrel.architectures.Swin2SR import Swin2SR
from spandrel.architectures.SwinIR import SwinIR

BUFFERS = ("num_batches_tracked", "attn_mask", "attn_mask_0", "attn_mask_1", "relative_position_index", "relative_position_index_SA",
           "relative_position_index_OCA", "rpe_biases", "relative_coords_table")


def fill(name, shape):
    """As in make.py."""
    n = math.prod(shape)
    v = ((torch.arange(n, dtype=torch.float64) * 31 + len(name) * 17) % 101 - 50) / 50
    if name == "input":
        v = v * 0.5 + 0.5
    elif len(shape) > 1:
        v = v * math.sqrt(3 / math.prod(shape[1:]))
    elif name.endswith("running_var"):
        v = 1 + 0.5 * v
    else:
        v = 0.1 * v
    return v.reshape(shape).float()


swin = dict(embed_dim=6, depths=[2], num_heads=[2], window_size=4, mlp_ratio=2)
CASES = [  # class, arguments, arguments that are not hyper-parameters, input shape
    (SwinIR, swin | dict(upscale=1, upsampler="none", resi_connection="3conv", img_range=255), dict(img_size=8), (2, 3, 7, 9)),
    (SwinIR, swin | dict(upscale=3, upsampler="pixelshuffledirect", patch_norm=False), dict(img_size=8), (1, 3, 5, 6)),
    (SwinIR, swin | dict(upscale=2, upsampler="nearest+conv", qkv_bias=False, in_chans=1, rgb_mean="0"), dict(img_size=8), (1, 1, 7, 9)),
    (Swin2SR, swin | dict(upscale=2, upsampler="pixelshuffle_aux"), dict(img_size=8), (2, 3, 5, 6)),
    (HAT, swin | dict(upscale=2, compress_ratio=2, squeeze_factor=3, num_feat=4), dict(img_size=8), (2, 3, 5, 6)),
    (DAT, dict(embed_dim=32, depth=[3], num_heads=[4], split_size=[2, 4], expansion_factor=2, upscale=2, upsampler="pixelshuffledirect"),
     dict(img_size=8), (2, 3, 5, 6)),
    (RGT, dict(embed_dim=32, depth=[3], num_heads=[4], split_size=[2, 4], mlp_ratio=2, upscale=1, c_ratio=0.25), dict(img_size=8), (2, 3, 17, 16)),
    (OmniSR, dict(num_feat=8, res_num=1, window_size=4, up_scale=2, bias=False), {}, (1, 3, 15, 17)),
    (SCUNet, dict(in_nc=1, config=[2, 1, 1, 1, 1, 1, 1]), {}, (1, 1, 33, 34)),
    (DRCT, dict(embed_dim=8, num_heads=[2], gc=4, window_size=4, mlp_ratio=1.5, upscale=1, upsampler="pixelshuffle"), dict(img_size=8, depths=[6]), (2, 3, 8, 12)),
]


def text(v):
    return str(v).lower() if isinstance(v, bool) else ",".join(map(str, v)) if isinstance(v, list) else str(v)


out = []
for cls, args, more, shape in CASES:
    own = {k: v for k, v in args.items() if k != "rgb_mean"}
    if own.get("upsampler") == "none":
        own["upsampler"] = ""
    model = cls(**own, **more).eval()
    state = {k: v for k, v in model.state_dict().items() if not k.endswith(BUFFERS)}
    case = {"architecture": cls.__name__, "params": {k: text(v) for k, v in args.items()},
            "parameters": sum(p.numel() for p in model.parameters()), "state": {k: list(v.shape) for k, v in state.items()}}
    model.load_state_dict({k: fill(k, v.shape) for k, v in state.items()}, strict=False)
    with torch.no_grad():
        y = model(fill("input", shape))
    case |= {"input": list(shape), "shape": list(y.shape), "output": [float(f"{v:.8g}") for v in y.flatten().tolist()]}
    print(cls.__name__, args, list(y.shape), f"{y.min():.3f} {y.max():.3f} {y.std():.3f}")
    out.append(case)
lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in out)
(pathlib.Path(__file__).parent / "attention.json").write_text(f"[\n{lines}\n]\n")
