// The .npy format (numpy, versions 1 to 3): a header that says type and shape, then the numbers.
// Everything the header claims is checked before it is used.

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // "\x93NUMPY"

const TYPES = {
  '<f4': { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  '<f8': { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
  '|u1': { bytes: 1, read: (view, at) => view.getUint8(at) },
  '|b1': { bytes: 1, read: (view, at) => view.getUint8(at) },
  '<u2': { bytes: 2, read: (view, at) => view.getUint16(at, true) },
  '<i2': { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  '<i4': { bytes: 4, read: (view, at) => view.getInt32(at, true) },
};

function header(view) {
  if (view.byteLength < 10 || MAGIC.some((byte, at) => view.getUint8(at) !== byte)) {
    throw new Error('not an .npy file');
  }
  const wide = view.getUint8(6) >= 2;
  const start = wide ? 12 : 10;
  if (view.byteLength < start) throw new Error('the .npy header is cut short');
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  if (start + length > view.byteLength) throw new Error('the .npy header is cut short');
  const text = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + start, length));
  const type = /'descr'\s*:\s*'([^']+)'/.exec(text)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const shape = /'shape'\s*:\s*\(([^)]*)\)/.exec(text)?.[1];
  if (!type || !order || shape === undefined) throw new Error('the .npy header is not understood');
  if (order === 'True') throw new Error('.npy in Fortran order is not supported');
  return { type, shape: shape.split(',').filter((part) => part.trim()).map(Number), data: start + length };
}

// ArrayBuffer -> { shape: number[], data: Float32Array in C order }. Throws on anything else.
export function parseNpy(buffer) {
  const view = new DataView(buffer);
  const { type, shape, data } = header(view);
  const kind = TYPES[type];
  if (!kind) throw new Error(`.npy of type ${type} is not supported`);
  if (!shape.every((side) => Number.isInteger(side) && side >= 0)) {
    throw new Error('the .npy shape is not understood');
  }
  const count = shape.reduce((product, side) => product * side, 1);
  if (data + count * kind.bytes > buffer.byteLength) {
    throw new Error(`the .npy file holds fewer than the ${count} numbers it promises`);
  }
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = kind.read(view, data + i * kind.bytes);
  return { shape, data: values };
}
