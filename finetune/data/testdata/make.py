"""Writes a photo and what others make of it at a quarter of its size.

Run it in this folder with NumPy and Pillow installed.

photo.png      56x40 (a part of ../../../examples/photos/canyon.jpg)
bilinear.png   Pillow's resize with BILINEAR, which is torchvision's Resize of a Pillow image
bicubic.png    MATLAB's imresize by its definition, in float64, rounded to 8 bits at the end
"""
import numpy as np
from PIL import Image

photo = Image.open("../../../examples/photos/canyon.jpg").convert("RGB").crop((100, 100, 156, 140))
photo.save("photo.png")
photo.resize((14, 10), Image.BILINEAR).save("bilinear.png")


def cubic(x):
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def matrix(m, n):
    out, scale = np.zeros((n, m)), n / m
    for d in range(1, n + 1):
        u = d / scale + 0.5 * (1 - 1 / scale)
        for i in range(int(np.floor(u - 2 / scale)) - 2, int(np.ceil(u + 2 / scale)) + 3):
            j = (i - 1) % (2 * m)
            out[d - 1, j if j < m else 2 * m - 1 - j] += cubic(scale * (u - i))
    return out / out.sum(1, keepdims=True)


pixels = np.asarray(photo).astype(np.float64)
small = np.einsum("yh,hwc,xw->yxc", matrix(40, 10), pixels, matrix(56, 14))
Image.fromarray(np.floor(small.clip(0, 255) + 0.5).astype(np.uint8)).save("bicubic.png")
