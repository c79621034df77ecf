"""Images and masks for requests, written byte by byte so that bad ones can be made too."""
import struct
import zlib

PNG = "image/png"
NPY = "application/x-npy"
NIFTI = "application/x-nifti"
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels: gray, gray+alpha, RGB, RGBA


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of_rows(rows, width, colour_type=0, depth=8, interlace=0, height=None, extra=b""):
    """rows: bytes of each row, without the filter byte."""
    header = struct.pack(">IIBBBBB", width, len(rows) if height is None else height, depth,
                         colour_type, 0, 0, interlace)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", pixels) +
            chunk(b"IEND", b""))


def png(width=6, height=4, channels=1, depth=8, seed=0):
    """A PNG whose samples depend on everything given."""
    size = channels * depth // 8
    rows = [bytes((seed + 31 * y + 7 * x) % 256 for x in range(width * size)) for y in range(height)]
    return png_of_rows(rows, width, COLOUR_TYPES[channels], depth)


def mask_png(rows):
    return png_of_rows([bytes(row) for row in rows], len(rows[0]))


def npy(values, shape, dtype="<f4", fortran=False, header=None):
    text = header or "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }" % (dtype, fortran, shape)
    text += " " * (-(len(text) + 11) % 64) + "\n"
    data = struct.pack("<%df" % len(values), *values)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data


def nifti(values, width, height, channels=1, slices=1):
    """float32 NIfTI-1."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    dims = (4, width, height, slices, channels) if channels > 1 else (3, width, height, slices, 1)
    struct.pack_into("<8h", header, 40, *dims, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 16, 32)
    struct.pack_into("<8f", header, 76, *([1.0] * 8))
    struct.pack_into("<f", header, 108, 352.0)
    header[344:348] = b"n+1\0"
    return bytes(header) + struct.pack("<%df" % len(values), *values)


def read_png(data):
    """(width, height, rows of samples) of an 8-bit gray PNG."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, pixels, width, height = 8, b"", 0, 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + size]
        if name == b"IHDR":
            width, height, depth, colour = struct.unpack_from(">IIBB", body)
            assert (depth, colour) == (8, 0)
        if name == b"IDAT":
            pixels += body
        at += size + 12
    return width, height, unfilter(zlib.decompress(pixels), width, height)


def unfilter(raw, width, height):
    rows, previous = [], bytes(width)
    for y in range(height):
        kind, line = raw[y * (width + 1)], bytearray(raw[y * (width + 1) + 1:(y + 1) * (width + 1)])
        for x in range(width):
            left = line[x - 1] if x else 0
            corner = previous[x - 1] if x else 0
            line[x] = (line[x] + predict(kind, left, previous[x], corner)) % 256
        rows.append(list(line))
        previous = line
    return rows


def predict(kind, left, up, corner):
    if kind == 4:  # Paeth
        guess = left + up - corner
        return min((abs(guess - left), 0, left), (abs(guess - up), 1, up),
                   (abs(guess - corner), 2, corner))[2]
    return [0, left, up, (left + up) // 2][kind]
