"""A data set directory (docs/dataset-format.md) of noise in the size of `brain`: what is timed is the same
whatever the pixels show."""
import array
import json
import random
import struct

CHANNELS, HEIGHT, WIDTH = 4, 240, 120
CASES = {"train": 8, "validation": 2}  # half of them presence


def _npy(path, type_name, shape, data):
    header = f"{{'descr': '{type_name}', 'fortran_order': False, 'shape': {tuple(shape)}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data)


def write(folder):
    folder.mkdir()
    noise = random.Random(1)
    pixels, slices, masks = array.array("f"), [], 0
    for split, count in CASES.items():
        for i in range(count):
            pixels.extend(noise.uniform(-1, 1) for _ in range(CHANNELS * HEIGHT * WIDTH))
            entry = {"case": f"{split}-{i}", "index": 0, "label": "absence" if i % 2 else "presence",
                     "split": split, "name": f"{split} {i}"}
            if entry["label"] == "presence":
                entry["mask"] = masks
                masks += 1
            slices.append(entry)
    mask = bytes(255 if y < HEIGHT // 4 else 0 for y in range(HEIGHT) for _ in range(WIDTH))
    _npy(folder / "images.npy", "<f4", (len(slices), CHANNELS, HEIGHT, WIDTH), pixels.tobytes())
    _npy(folder / "masks.npy", "|u1", (masks, HEIGHT, WIDTH), mask * masks)
    (folder / "dataset.json").write_text(json.dumps({
        "format": "genseg-dataset-1", "name": "noise", "normalization": "none", "channels": CHANNELS,
        "height": HEIGHT, "width": WIDTH, "made_by": "tests/bench/dataset.py", "slices": slices}))
