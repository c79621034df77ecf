"""Brain-like half-slices with bright lesions, and the PNG and .npy writers to send them with.

Pure Python and deterministic: the same seed gives the same bytes everywhere.
"""
import math
import random
import struct
import zlib
from array import array

ANNOTATED_EVERY = 4  # of the slices with a lesion


def _blob(rng, height, width, scale):
    """A closed wobbly shape inside the brain: (x, y) -> below 1 inside, larger outside."""
    cx = width * rng.uniform(0.35, 0.7)
    cy = height * rng.uniform(0.3, 0.7)
    radius = width * rng.uniform(0.11, 0.2) * scale
    phases = [(n, rng.uniform(0, 2 * math.pi), rng.uniform(0.03, 0.16)) for n in (2, 3, 5)]

    def distance(x, y):
        angle = math.atan2(y - cy, x - cx)
        wobble = 1 + sum(size * math.sin(n * angle + phase) for n, phase, size in phases)
        return math.hypot(x - cx, y - cy) / (radius * wobble)

    return distance


def _tissue(rng, height, width):
    """(x, y) -> intensity of a healthy right half: folded cortex, white matter, a ventricle."""
    rx, ry = width * rng.uniform(0.8, 0.9), height * rng.uniform(0.42, 0.46)
    folds = rng.randrange(16, 22)
    phase = rng.uniform(0, 2 * math.pi)
    bias = rng.uniform(-0.12, 0.12)
    vx, vy = rng.uniform(0.1, 0.16), rng.uniform(0.14, 0.2)

    def intensity(x, y):
        u, v = x / rx, (y - height / 2) / ry
        rim = math.hypot(u, v)
        angle = math.atan2(v, u)
        wave = math.sin(folds * angle + phase) + 0.5 * math.sin(2.3 * folds * angle - phase)
        if rim > 1 + 0.012 * wave:
            return 0.0
        white = 1 / (1 + math.exp((rim - 0.8 - 0.045 * wave) * 40))
        value = 0.38 + 0.24 * white
        if u < 0.02 and rim > 0.45:
            value *= 0.6  # the cleft between the halves
        ventricle = math.hypot(u / vx, (v - 0.05) / vy)
        value *= 1 - 0.75 / (1 + math.exp((ventricle - 1) * 12))
        return value * (1 + bias * v)

    return intensity


class Slice:
    """pixels: array('f') row by row in [0, 1]; mask: bytes of 0 and 255, or None when healthy."""

    def __init__(self, seed, height, width, has_lesion):
        rng = random.Random(seed)
        self.height, self.width = height, width
        tissue = _tissue(rng, height, width)
        blob = _blob(rng, height, width, 1) if has_lesion else None
        self.pixels = array("f")
        mask = bytearray()
        for y in range(height):
            for x in range(width):
                value = tissue(x + 0.5, y + 0.5)
                inside = blob is not None and value > 0.05 and blob(x, y)
                if inside:
                    share = 1 / (1 + math.exp((inside - 1) * 9))
                    value += share * (0.92 - value)
                mask.append(255 if inside and inside < 1 else 0)
                self.pixels.append(min(1, max(0, value + rng.gauss(0, 0.012))) if value > 0 else 0)
        self.mask = bytes(mask) if has_lesion else None


def population(count, height, width):
    """Yields (case, index, label, Slice, mask or None): two slices a case, lesions in half of them."""
    for number in range(count):
        case, index = divmod(number, 2)
        has_lesion = case % 2 == 0
        made = Slice(1000 + number, height, width, has_lesion)
        annotated = has_lesion and (case // 2) % ANNOTATED_EVERY == 0
        label = "presence" if has_lesion else "absence"
        yield f"case-{case:04d}", 60 + 4 * index, label, made, made.mask if annotated else None


def png(width, height, rows, channels=1):
    """8-bit PNG of `rows`, bytes of height * width * channels."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    stride = width * channels
    raw = b"".join(b"\0" + bytes(rows[y * stride:(y + 1) * stride]) for y in range(height))
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 6)) +
            chunk(b"IEND", b""))


def gray(values, low=0.0, high=1.0):
    """Floats -> bytes."""
    scale = 255 / (high - low) if high > low else 0
    return bytes(min(255, max(0, round((value - low) * scale))) for value in values)


def npy(values, shape):
    """float32 .npy of array('f')."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)!r}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + values.tobytes()


def nifti(width, height, levels):
    """A volume of rising numbers."""
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, width, height, levels, 1, 1, 1, 1)
    struct.pack_into("<hh", head, 70, 16, 32)
    struct.pack_into("<8f", head, 76, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<f", head, 108, 352)
    head[344:348] = b"n+1\0"
    count = width * height * levels
    return bytes(head) + struct.pack(f"<{count}f", *(i / count for i in range(count)))


def scan(width, height, levels, seed=1, lesion_from=0.5):
    """(values, mask) of a head whose upper part, from the level at `lesion_from` on, has a lesion: one byte
    a voxel in `mask`, in the order of a NIfTI file whose axes run to the right, the front and the top."""
    values, mask = array("f"), bytearray()
    for level in range(levels):
        has_lesion = level >= levels * lesion_from
        made = Slice(seed * 1000 + level, height, width, has_lesion)
        for y in reversed(range(height)):  # rows of a picture begin at the front
            row = slice(y * width, (y + 1) * width)
            values.extend(made.pixels[row])
            mask.extend(1 if made.mask and made.mask[i] else 0 for i in range(row.start, row.stop))
    return values, bytes(mask)


def nifti_of(values, width, height, levels, spacing=(1.0, 1.0, 2.0)):
    """An uncompressed .nii of array('f') or of bytes (as uint8)."""
    is_float = isinstance(values, array)
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, width, height, levels, 1, 1, 1, 1)
    struct.pack_into("<hh", head, 70, *((16, 32) if is_float else (2, 8)))
    struct.pack_into("<8f", head, 76, 1, *spacing, 1, 1, 1, 1)
    struct.pack_into("<f", head, 108, 352)
    struct.pack_into("<hh", head, 252, 0, 1)  # no qform; an sform that names the axes
    for row, axis in enumerate(spacing):
        struct.pack_into("<4f", head, 280 + 16 * row, *(axis if column == row else 0.0 for column in range(4)))
    head[344:348] = b"n+1\0"
    return bytes(head) + (values.tobytes() if is_float else bytes(values))
