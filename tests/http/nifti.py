"""NIfTI-1 volumes made and read with the standard library alone. A volume is a function of (x, y, z) that run to
the patient's right, front and top, or a dictionary of those places."""
import gzip
import itertools
import math
import struct

TYPES = {"B": 2, "h": 4, "i": 8, "f": 16, "d": 64}
ESTIMATE, LABEL = 1001, 1002  # codes of intent
RAS = ((0, 1), (1, 1), (2, 1))  # the file's axis k runs along the patient's axis, forwards or backwards


def header(size, axes=RAS, kind="h", spacing=(1.0, 2.0, 3.0), origin=(-10.0, 20.0, 5.0), dim=None, descrip=b"a scan",
           tilt=0.0):
    """size, spacing and origin along the patient's axes; tilt: the whole is turned by so much, in radians, about the
    axis from back to front."""
    sides = [size[axis] for axis, _ in axes]
    rows = [[0.0, 0.0, 0.0, origin[row]] for row in range(3)]
    for k, (axis, way) in enumerate(axes):
        rows[axis][k] = way * spacing[axis]
        if way < 0:
            rows[axis][3] += (size[axis] - 1) * spacing[axis]
    right, top = rows[0], rows[2]
    rows[0] = [math.cos(tilt) * a + math.sin(tilt) * b for a, b in zip(right, top)]
    rows[2] = [math.cos(tilt) * b - math.sin(tilt) * a for a, b in zip(right, top)]
    dim = dim or [3, *sides, 1, 1, 1, 1]
    head = bytearray(348)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, *dim)
    struct.pack_into("<hh", head, 70, TYPES[kind], 8 * struct.calcsize(kind))
    struct.pack_into("<8f", head, 76, 1.0, *(spacing[axis] for axis, _ in axes), 1, 1, 1, 1)
    struct.pack_into("<f", head, 108, 352.0)
    head[123] = 2  # millimetres
    struct.pack_into(f"<{len(descrip)}s", head, 148, descrip)
    struct.pack_into("<hh", head, 252, 0, 1)
    for row in range(3):
        struct.pack_into("<4f", head, 280 + 16 * row, *rows[row])
    head[344:348] = b"n+1\0"
    return bytes(head) + bytes(4)


def places(size, axes):
    """The patient's place of every voxel in the file's order."""
    sides = [size[axis] for axis, _ in axes]
    for k, j, i in itertools.product(range(sides[2]), range(sides[1]), range(sides[0])):
        place = [0, 0, 0]
        for at, side, (axis, way) in zip((i, j, k), sides, axes):
            place[axis] = at if way > 0 else side - 1 - at
        yield tuple(place)


def volume(value, size, axes=RAS, kind="h", packed=True, **more):
    numbers = [value(*place) for place in places(size, axes)]
    data = header(size, axes, kind, **more) + struct.pack(f"<{len(numbers)}{kind}", *numbers)
    return gzip.compress(data, 1, mtime=0) if packed else data


class Read:
    """A .nii.gz whose axes are known."""

    def __init__(self, data, size, axes=RAS):
        raw = gzip.decompress(data)
        self.head = raw[:348]
        self.intent = struct.unpack_from("<h", raw, 68)[0], raw[328:344].rstrip(b"\0").decode()
        self.descrip = raw[148:228].rstrip(b"\0").decode()
        code = struct.unpack_from("<h", raw, 70)[0]
        kind = next(kind for kind, number in TYPES.items() if number == code)
        count = size[0] * size[1] * size[2]
        body = raw[int(struct.unpack_from("<f", raw, 108)[0]):]
        assert len(body) == count * struct.calcsize(kind)
        self.at = dict(zip(places(size, axes), struct.unpack(f"<{count}{kind}", body)))

    def geometry(self):
        """What must be the input's: dimensions, spacing, units, both forms."""
        return self.head[40:56], self.head[76:108], self.head[123], self.head[252:328]
