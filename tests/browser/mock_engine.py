"""Toy models for the mock server: bright tissue is a lesion. They compute what the interface promises
(shapes, ranges, translated + residual = reconstruction, same seed same bytes), and mean nothing."""
import base64
import math
import random
import zlib
from array import array

import synthetic

BRIGHT = 0.74
HEALTHY = 0.55


def parse_png(body):
    """(width, height, pixels in [0, 1]) of an 8-bit gray PNG as synthetic.png writes it."""
    width = int.from_bytes(body[16:20], "big")
    height = int.from_bytes(body[20:24], "big")
    at = body.index(b"IDAT")
    raw = zlib.decompress(body[at + 4:at + 4 + int.from_bytes(body[at - 4:at], "big")])
    rows = b"".join(raw[y * (width + 1) + 1:(y + 1) * (width + 1)] for y in range(height))
    return width, height, rows


def parse_npy(body):
    """(shape, array('f')) of a float32 .npy."""
    start = 10 + int.from_bytes(body[8:10], "little")
    shape = eval(body[10:start].decode(), {"__builtins__": {}})["shape"]  # written by the tests
    values = array("f")
    values.frombytes(body[start:])
    return shape, values


def probabilities(pixels, width):
    """Blurred along rows and columns, then a steep sigmoid."""
    size = len(pixels)
    out = array("f")
    for i, value in enumerate(pixels):
        around = [pixels[j] for j in (i - 1, i + 1, i - width, i + width) if 0 <= j < size]
        mean = 0.4 * value + 0.6 * sum(around) / len(around)
        out.append(1 / (1 + math.exp((BRIGHT - mean) * 26)))
    return out


def removal(pixels, width):
    lesion = probabilities(pixels, width)
    translated = array("f", (v + p * (HEALTHY - v) for v, p in zip(pixels, lesion)))
    rng = random.Random(7)
    residual = array("f", (v - t + (rng.gauss(0, 0.006) if v else 0) for v, t in zip(pixels, translated)))
    return {"translated": translated, "residual": residual, "reconstruction": _sum(translated, residual)}


def insertion(pixels, width, seed):
    height = len(pixels) // width
    blob = synthetic._blob(random.Random(seed * 7919 + 1), height, width, 0.9)
    residual = array("f")
    for i, value in enumerate(pixels):
        distance = blob(i % width, i // width)
        share = 1 / (1 + math.exp((distance - 1) * 9)) if value > 0.05 else 0
        residual.append(share * (0.92 - value))
    return {"autoencoded": array("f", pixels), "residual": residual, "translated": _sum(pixels, residual)}


def between(pixels, width, start, end, t):
    """As insertion, on the way between two seeds; at its ends the same."""
    first, second = (insertion(pixels, width, seed) for seed in (start, end))
    residual = array("f", ((1 - t) * a + t * b for a, b in zip(first["residual"], second["residual"])))
    return {"autoencoded": first["autoencoded"], "residual": residual, "translated": _sum(pixels, residual)}


def _sum(a, b):
    return array("f", (x + y for x, y in zip(a, b)))


def rendered(values, width):
    low, high = min(values), max(values)
    picture = synthetic.png(width, len(values) // width, synthetic.gray(values, low, high))
    return {"png": base64.b64encode(picture).decode(), "min": low, "max": high}


def rle(bits, width):
    """COCO run lengths, down the columns, starting with zeros."""
    height = len(bits) // width
    counts, now, run = [], 0, 0
    for x in range(width):
        for y in range(height):
            bit = 1 if bits[y * width + x] else 0
            if bit != now:
                counts.append(run)
                now, run = bit, 0
            run += 1
    return {"size": [height, width], "counts": counts + [run]}


def dice(bits, mask):
    pairs = [(1 if bit else 0, 1 if truth == 255 else 0) for bit, truth in zip(bits, mask) if truth != 127]
    total = sum(a + b for a, b in pairs)
    return 2 * sum(a & b for a, b in pairs) / total if total else 1.0
