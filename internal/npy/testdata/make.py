"""Writes the .npy files of this folder with NumPy, and expect.json: the bits of each file's elements in row-major order.

python make.py  (numpy, ml_dtypes)
"""
import json
import os

import ml_dtypes
import numpy as np
from numpy.lib import format as npyformat

here = os.path.dirname(os.path.abspath(__file__))
expect = {}


def save(name, a, version=None):
    path = os.path.join(here, name + ".npy")
    with open(path, "wb") as f:
        npyformat.write_array(f, a, version=version)
    kind = a.dtype.name
    size = a.dtype.itemsize
    bits = np.ascontiguousarray(a).astype(a.dtype.newbyteorder("=")).view(f"u{size}").reshape(-1)
    expect[name] = {"dtype": kind, "shape": list(a.shape), "bits": [int(b) for b in bits]}


special = [0.0, -0.0, 1.5, -2.75, np.inf, -np.inf, np.nan, 1e-7, 65504.0, 3.0, 1 / 3, -1e-3]
with np.errstate(over="ignore"):
    for t in ["float16", "float32", "float64", ml_dtypes.bfloat16]:
        a = np.array(special).astype(t).reshape(2, 3, 2)
        save(a.dtype.name, a)
for t in ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]:
    i = np.iinfo(t)
    save(t, np.array([[i.min, i.max, 1], [7, 100, i.max - 3]], dtype=t))
save("bool", np.array([True, False, False, True]))
save("scalar", np.array(2.5, dtype="float32"))
save("empty", np.zeros((2, 0, 3), dtype="float32"))
save("fortran", np.asfortranarray(np.arange(24, dtype="float32").reshape(2, 3, 4)))
save("fortran_f16", np.asfortranarray(np.arange(6, dtype="float16").reshape(3, 2)))
save("bigendian", np.arange(5, dtype=">i4").reshape(5, 1) * 1000)
save("version2", np.arange(4, dtype="float64"), version=(2, 0))
save("version3", np.arange(4, dtype="int16"), version=(3, 0))

with open(os.path.join(here, "expect.json"), "w") as f:
    json.dump(expect, f, indent=1)
