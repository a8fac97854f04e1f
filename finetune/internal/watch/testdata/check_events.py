"""Reads event files with TensorBoard's own reader and prints what it found, as JSON.

    python check_events.py DIR

Needs the packages tensorboard and pillow. TestTensorBoard runs it where GANSR_TENSORBOARD names a Python that has them.
"""
import io, json, sys
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

acc = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0})
acc.Reload()
tags = acc.Tags()
scalars = {t: [[e.step, e.value] for e in acc.Scalars(t)] for t in tags["scalars"]}
# Scalars that were written with a plugin's name arrive as tensors.
for t in tags["tensors"]:
    scalars[t] = [[e.step, float(e.tensor_proto.float_val[0])] for e in acc.Tensors(t)]
images = {}
for t in tags["images"]:
    for e in acc.Images(t):
        img = Image.open(io.BytesIO(e.encoded_image_string)).convert("RGB")
        images.setdefault(t, []).append([e.step, e.width, e.height, img.size == (e.width, e.height), list(img.getpixel((0, 0)))])
print(json.dumps({"scalars": scalars, "images": images}))
