"""Writes the files that photo_test.go reads, and expect.bin with what Pillow sees in them.

Run it in this folder with Pillow and NumPy installed. expect.bin holds for each name in expect.txt (in that order)
width, height as uint32 little endian, then RGBA, 8 bits a channel, the EXIF orientation applied.
"""
import io, struct, zlib
import numpy as np
from PIL import Image, ImageOps

W, H = 37, 23
y, x = np.mgrid[0:H, 0:W].astype(np.float64)
rgb = np.stack([
    127.5 + 110 * np.sin(x / 5) * np.cos(y / 7),
    255 * x / (W - 1),
    127.5 + 120 * np.cos((x + 2 * y) / 6),
], -1).round().clip(0, 255).astype(np.uint8)
grey = rgb[..., 0]
alpha = (255 * np.clip((x - 8) / 16, 0, 1)).round().astype(np.uint8)
RGB, L = Image.fromarray(rgb), Image.fromarray(grey)
RGBA = Image.fromarray(np.dstack([rgb, alpha]))
LA = Image.fromarray(np.dstack([grey, alpha]), "LA")

expected = []


def add(name, data, want=None):
    open(name, "wb").write(data)
    if want is None:
        want = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    expected.append((name, want.convert("RGBA")))


def save(img, fmt, **kw):
    b = io.BytesIO()
    img.save(b, fmt, **kw)
    return b.getvalue()


def exif(o):
    e = Image.Exif()
    e[0x0112] = o
    e[0x010E] = "a description before the orientation"
    return e.tobytes()


def png16(arr, ctype):
    """A 16-bit PNG, which Pillow writes for grey only. arr: H x W x channels, uint16."""
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in arr)
    chunk = lambda t, d: struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", arr.shape[1], arr.shape[0], 16, ctype, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


for o in range(1, 9):
    add(f"orient{o}.jpg", save(RGB, "JPEG", quality=95, subsampling=0, exif=exif(o)))
    add(f"orient{o}.png", save(RGB, "PNG", exif=exif(o)))
add("orient6.webp", save(RGB, "WEBP", lossless=True, exif=exif(6)))
add("orient8.tif", save(RGB, "TIFF", tiffinfo={0x0112: 8}))

add("rgba.png", save(RGBA, "PNG"))
add("grey.png", save(L, "PNG"))
add("greyalpha.png", save(LA, "PNG"))
add("palette.png", save(RGB.quantize(32), "PNG"))
add("palettealpha.png", save(RGBA.quantize(32), "PNG"))
add("bilevel.png", save(L.point(lambda v: 255 * (v > 127)).convert("1"), "PNG"))
wide = lambda a: a.astype(np.uint16) * 257
add("rgb16.png", png16(wide(rgb), 2), RGB)
add("rgba16.png", png16(wide(np.dstack([rgb, alpha])), 6), RGBA)
add("grey16.png", png16(wide(grey), 0), L)

for name, s in ("444", 0), ("422", 1), ("420", 2):
    add(f"{name}.jpg", save(RGB, "JPEG", quality=95, subsampling=s))
add("progressive.jpg", save(RGB, "JPEG", quality=95, progressive=True))
add("grey.jpg", save(L, "JPEG", quality=95))
add("cmyk.jpg", save(RGB.convert("CMYK"), "JPEG", quality=95))

add("lossy.webp", save(RGB, "WEBP", quality=90))
add("lossyalpha.webp", save(RGBA, "WEBP", quality=90, exact=True))
add("lossless.webp", save(RGBA, "WEBP", lossless=True, exact=True))

add("lzw.tif", save(RGB, "TIFF", compression="tiff_lzw"))
add("deflate.tif", save(RGBA, "TIFF", compression="tiff_adobe_deflate"))
add("grey16.tif", save(Image.fromarray(wide(grey)), "TIFF"), L)

add("rgb.bmp", save(RGB, "BMP"))
add("grey.bmp", save(L, "BMP"))

with open("expect.bin", "wb") as f:
    for _, img in expected:
        f.write(struct.pack("<II", *img.size) + img.tobytes())
with open("expect.txt", "w") as f:
    f.write("".join(n + "\n" for n, _ in expected))
