// Reads and writes little-endian values; converts between milliseconds and nanoseconds.

const NS_PER_MS = 1e6;
const decoder = new TextDecoder();

/** Milliseconds of `performance.now()` as whole nanoseconds. */
export function nsOf(ms) {
  return BigInt(Math.round(ms * NS_PER_MS));
}

/** Nanoseconds as milliseconds. */
export function msOf(ns) {
  return Number(ns) / NS_PER_MS;
}

export class Writer {
  constructor(byteLength) {
    this.view = new DataView(new ArrayBuffer(byteLength));
    this.at = 0;
  }
  u8(value) { this.view.setUint8(this.at, value); this.at += 1; return this; }
  u16(value) { this.view.setUint16(this.at, value, true); this.at += 2; return this; }
  u32(value) { this.view.setUint32(this.at, value, true); this.at += 4; return this; }
  i64(value) { this.view.setBigInt64(this.at, value, true); this.at += 8; return this; }
  f32(...values) {
    for (const value of values) { this.view.setFloat32(this.at, value, true); this.at += 4; }
    return this;
  }
  bytes(values) { new Uint8Array(this.view.buffer).set(values, this.at); this.at += values.length; return this; }
  head(kind, flags = 0, id = 0) { return this.u8(kind).u8(flags).u16(0).u32(id); }
  text(encoded) { return this.u16(encoded.length).bytes(encoded); }
  get buffer() { return this.view.buffer; }
}

export class Reader {
  constructor(buffer) {
    this.buffer = buffer;
    this.view = new DataView(buffer);
    this.at = 0;
  }
  u8() { return this.view.getUint8(this.at++); }
  u16() { this.at += 2; return this.view.getUint16(this.at - 2, true); }
  u32() { this.at += 4; return this.view.getUint32(this.at - 4, true); }
  i64() { this.at += 8; return this.view.getBigInt64(this.at - 8, true); }
  f32() { this.at += 4; return this.view.getFloat32(this.at - 4, true); }
  skip(count) { this.at += count; }
  bytes(count) {
    if (this.at + count > this.buffer.byteLength) throw new RangeError("a message ends too early");
    this.at += count;
    return new Uint8Array(this.buffer, this.at - count, count);
  }
  text() { return decoder.decode(this.bytes(this.u16())); }
}
