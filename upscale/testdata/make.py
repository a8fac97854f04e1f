"""Writes what Pillow makes of a small picture, for resample and the luminance path to be compared with.

Run it in this folder with Pillow and NumPy installed.

bicubic.bin: for each line "w h w2 h2" of bicubic.txt, w*h and w2*h2 float32, little endian: a plane and Pillow's bicubic
resize of it (mode F). photo.png is a colour photo; photo_y2.png is it with luminance (YCbCr of JPEG) repeated 2x2 and
colour differences enlarged by bicubic interpolation.
"""
import numpy as np
from PIL import Image

rng = np.random.default_rng(1)
sizes = [(13, 9, 2, 1), (13, 9, 3, 1), (13, 9, 4, 1), (1, 5, 4, 1), (40, 28, 3, 4), (40, 28, 1, 2), (40, 28, 1, 4), (12, 9, 2, 3)]
with open("bicubic.bin", "wb") as data, open("bicubic.txt", "w") as index:
    for w, h, num, den in sizes:
        plane = rng.random((h, w), dtype=np.float32)
        big = Image.fromarray(plane).resize((w * num // den, h * num // den), Image.BICUBIC)
        index.write(f"{w} {h} {big.width} {big.height}\n")
        data.write(plane.astype("<f4").tobytes() + np.asarray(big).astype("<f4").tobytes())

W, H = 37, 23
y, x = np.mgrid[0:H, 0:W].astype(np.float64)
rgb = np.stack([127.5 + 110 * np.sin(x / 5) * np.cos(y / 7), 40 + 180 * x / W, 127.5 + 100 * np.cos((x + 2 * y) / 6)], -1)
photo = Image.fromarray(rgb.round().astype(np.uint8))
photo.save("photo.png")
rgb = np.asarray(photo).astype(np.float32)
Y = rgb @ np.float32([0.299, 0.587, 0.114])  # JFIF 1.02
Cb, Cr = (rgb[..., 2] - Y) / 1.772, (rgb[..., 0] - Y) / 1.402
big = lambda p, how: np.asarray(Image.fromarray(p).resize((2 * W, 2 * H), how))
Y, Cb, Cr = big(Y, Image.NEAREST), big(Cb, Image.BICUBIC), big(Cr, Image.BICUBIC)
out = np.stack([Y + 1.402 * Cr, Y - 0.344136 * Cb - 0.714136 * Cr, Y + 1.772 * Cb], -1)
Image.fromarray(np.floor(out.clip(0, 255) + 0.5).astype(np.uint8)).save("photo_y2.png")
