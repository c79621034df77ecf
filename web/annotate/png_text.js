// Texts in PNG files. Pure.

const HEAD = 8 + 25; // the signature and IHDR, which must come first

const remainders = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? 0xedb88320 ^ (rest >>> 1) : rest >>> 1;
  return rest;
});

// Of the PNG specification, annex D.
function checksum(bytes) {
  let rest = 0xffffffff;
  for (const byte of bytes) rest = remainders[(rest ^ byte) & 255] ^ (rest >>> 8);
  return (rest ^ 0xffffffff) >>> 0;
}

// The file with a tEXt entry; key and value in ASCII.
export function withText(png, key, value) {
  const body = new TextEncoder().encode(`tEXt${key}\0${value}`);
  const chunk = new Uint8Array(body.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, body.length - 4); // without the type
  chunk.set(body, 4);
  view.setUint32(body.length + 4, checksum(body));
  const file = new Uint8Array(png.length + chunk.length);
  file.set(png.subarray(0, HEAD));
  file.set(chunk, HEAD);
  file.set(png.subarray(HEAD), HEAD + chunk.length);
  return file;
}
