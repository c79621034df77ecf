"""Small images and files for the HTTP tests, made and read with the standard library alone."""
import json
import struct
import zlib


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows, depth=8, channels=1, colour=None, interlace=0, header=None, extra=b""):
    """A PNG of rows of samples; with several channels each row holds width * channels samples."""
    height, width = len(rows), len(rows[0]) // channels if rows else 0
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels] if colour is None else colour
    form = ">%dB" if depth <= 8 else ">%dH"
    raw = b"".join(b"\0" + struct.pack(form % len(row), *row) for row in rows)
    head = header or struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(raw))
            + chunk(b"IEND", b""))


def read_png(data):
    """(width, height, depth, rows of samples, text entries) of a gray PNG."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, texts, head = 8, b"", {}, None
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            head = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
        elif kind == b"tEXt":
            key, value = body.split(b"\0", 1)
            texts[key.decode()] = value.decode()
        at += 12 + size
    width, height, depth, colour = head[:4]
    assert colour == 0, "not gray"
    stride, raw, rows = width * depth // 8, zlib.decompress(packed), []
    before = bytes(stride)
    for y in range(height):
        kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        unfilter(kind, line, before, depth // 8)
        rows.append(list(line) if depth == 8 else list(struct.unpack(">%dH" % width, line)))
        before = bytes(line)
    return width, height, depth, rows, texts


def unfilter(kind, line, before, step):
    for i in range(len(line)):
        left = line[i - step] if i >= step else 0
        up = before[i]
        corner = before[i - step] if i >= step else 0
        if kind == 1:
            line[i] = (line[i] + left) & 255
        elif kind == 2:
            line[i] = (line[i] + up) & 255
        elif kind == 3:
            line[i] = (line[i] + (left + up) // 2) & 255
        elif kind == 4:
            guess = left + up - corner
            nearest = min((abs(guess - left), 0, left), (abs(guess - up), 1, up),
                          (abs(guess - corner), 2, corner))
            line[i] = (line[i] + nearest[2]) & 255


def npy(values, shape, dtype="<f4", fortran=False, header=None, version=1):
    """A .npy of float32 values in C order (or whatever the arguments claim it is)."""
    text = header or "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }" % (dtype, fortran, tuple(shape))
    size = 2 if version == 1 else 4
    padding = -(8 + size + len(text) + 1) % 64
    text = text + " " * padding + "\n"
    return (b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text))
            + text.encode() + struct.pack("<%df" % len(values), *values))


def read_npy(data):
    """(shape, list of floats)"""
    assert data[:6] == b"\x93NUMPY"
    size = struct.unpack("<H", data[8:10])[0]
    header = data[10:10 + size].decode()
    assert "'<f4'" in header and "'fortran_order': False" in header
    shape = tuple(int(part) for part in header.split("(")[1].split(")")[0].split(",") if part.strip())
    body = data[10 + size:]
    return shape, list(struct.unpack("<%df" % (len(body) // 4), body))


def read_rle(rle):
    """A COCO RLE object as rows of 0 and 1 (pycocotools' rleFrString and rleDecode)."""
    height, width = rle["size"]
    text, runs, at = rle["counts"], [], 0
    while at < len(text):
        value, shift, more = 0, 0, True
        while more:
            code = ord(text[at]) - 48
            value |= (code & 31) << shift
            more, at, shift = bool(code & 32), at + 1, shift + 5
            if not more and code & 16:
                value -= 1 << shift
        if len(runs) > 2:
            value += runs[-2]
        runs.append(value)
    flat = [bit for i, run in enumerate(runs) for bit in [i & 1] * run]
    assert len(flat) == height * width
    return [[flat[x * height + y] for x in range(width)] for y in range(height)]


def toy_model(height=6, columns=4, channels=1, offset=0.0, compute_ms=0, load_ms=0, normalization="none", width=0.25,
              note="", batch_error=0.0):
    """Weights of the toy engine (tests/server/toy_engine.c); `note` makes other bytes of the same model."""
    return json.dumps({"toy": 1, "preset": "tiny", "width": width, "channels": channels, "height": height,
                       "columns": columns, "normalization": normalization, "offset": offset,
                       "compute_ms": compute_ms, "load_ms": load_ms, "note": note,
                       "batch_error": batch_error}).encode()
