// The wire protocol, version 1: bytes to values and back. docs/protocol.md says what every field means.

import { Reader, Writer } from "./bytes.js";
import { EYE_READERS } from "./protocol-eye.js";

export { msOf, nsOf } from "./bytes.js";
export * from "./protocol-eye.js";

export const VERSION = 2;
export const MASKS = { none: 0, runs: 1, png: 2, coco: 3 };
export const FORMATS = { jpeg: 1, rgb: 2, nv12: 3, rgba: 4 };
export const ACTIONS = { select: 1, release: 2, restart: 3 };
export const STATES = ["none", "hover", "selected", "held", "lost"];
export const SOURCES = ["none", "encoded", "reused", "propagated"];
export const ERRORS = {
  1: "malformed", 2: "version", 3: "unauthorized", 4: "too large", 5: "picture", 6: "order", 7: "setting",
  8: "rate", 9: "full", 10: "silence", 11: "engine", 12: "closing", 13: "busy",
};

const SKIPPED = { 1: "replaced", 2: "restarted", 3: "too soon" };
const MAGIC = 0x45474553; // "SEGE", little-endian
const SAMPLE_BYTES = 32;
const RAY_BYTES = 72;
const OBJECT_BYTES = 48;
const STAGE_BYTES = 16;
const utf8 = new TextEncoder();
const text8 = new TextDecoder();
const SPACES = { head: 0, world: 2, camera: 4 };

export function encodeHello({
  masks = "runs", polygons = false, tolerancePx = 1, pxPerDegree = 0, size = null, token = "", engine = "", name = "",
}) {
  const texts = [token, engine, name].map((value) => utf8.encode(value));
  const [width, height] = size ?? [0, 0];
  const writer = new Writer(28 + texts.reduce((sum, one) => sum + 2 + one.length, 0));
  writer.head(0x01).u32(MAGIC).u8(VERSION).u8(VERSION).u8(MASKS[masks]).u8(polygons ? 1 : 0);
  writer.f32(tolerancePx, pxPerDegree).u16(width).u16(height);
  for (const one of texts) writer.text(one);
  return writer.buffer;
}

export function encodeConfigure({ masks = "runs", polygons = false, tolerancePx = 1 }) {
  return new Writer(16).head(0x08).u8(MASKS[masks]).u8(polygons ? 1 : 0).u16(0).f32(tolerancePx).buffer;
}

export function encodeFrame(id, { timeNs, format = "jpeg", width, height, data, intrinsics = null, flipped = false }) {
  const picture = data instanceof Uint8Array ? data : new Uint8Array(data);
  const writer = new Writer(24 + (intrinsics ? 36 : 0) + picture.length);
  writer.head(0x02, (intrinsics ? 1 : 0) | (flipped ? 2 : 0), id).i64(timeNs);
  writer.u8(FORMATS[format]).u8(0).u16(0).u16(width).u16(height);
  if (intrinsics) {
    const { focal, centre, distortion = [0, 0, 0, 0, 0] } = intrinsics;
    writer.f32(...focal, ...centre, ...distortion);
  }
  return writer.bytes(picture).buffer;
}

export function encodeGaze(samples) {
  const writer = new Writer(8 + SAMPLE_BYTES * samples.length).head(0x03, 0, samples.length);
  for (const { timeNs, x, y, confidence = 1, covariance = [NaN, NaN, NaN] } of samples) {
    writer.i64(timeNs).f32(x, y, confidence, ...covariance);
  }
  return writer.buffer;
}

function writeRay(writer, ray) {
  const { timeNs, confidence = 1, distance = NaN, origin = [0, 0, 0], direction } = ray;
  const { head = [0, 0, 0], orientation = [0, 0, 0, 1] } = ray;
  writer.i64(timeNs).f32(confidence, distance, ...origin, ...direction, ...head, ...orientation).u32(0);
}

export function encodeRays(rays, { cameraAxes = false, space = "head" } = {}) {
  const flags = (cameraAxes ? 1 : 0) | SPACES[space];
  const writer = new Writer(8 + RAY_BYTES * rays.length).head(0x04, flags, rays.length);
  for (const ray of rays) writeRay(writer, ray);
  return writer.buffer;
}

export function encodeCamera({
  width, height, focal, centre, distortion = [0, 0, 0, 0, 0], position = [0, 0, 0], orientation = [0, 0, 0, 1],
  distance = 2, cameraAxes = false,
}) {
  const writer = new Writer(80).head(0x05, cameraAxes ? 1 : 0).u16(width).u16(height);
  return writer.f32(...focal, ...centre, ...distortion, ...position, ...orientation, distance).buffer;
}

export function encodeTrigger(id, action, options = {}) {
  const { objectId = 0, atNs = null, point = null, ray = null, cameraAxes = false, space = "head" } = options;
  let flags = ray ? (cameraAxes ? 1 : 0) | SPACES[space] | 0x20 : 0;
  flags |= (atNs === null ? 0 : 0x08) | (point ? 0x10 : 0);
  const writer = new Writer(ray ? 32 + RAY_BYTES : 32).head(0x06, flags, id);
  writer.u8(ACTIONS[action]).u8(0).u16(0).u32(objectId).i64(atNs ?? 0n).f32(...(point ?? [0, 0]));
  if (ray) writeRay(writer, ray);
  return writer.buffer;
}

export function encodePing(id, { timeNs, offsetNs = 0n, uncertaintyNs = -1n }) {
  return new Writer(32).head(0x07, 0, id).i64(timeNs).i64(offsetNs).i64(uncertaintyNs).buffer;
}

function readWelcome(from, id) {
  if (from.u32() !== MAGIC) throw new RangeError("not a sam-edge server");
  const version = from.u8();
  const lowest = from.u8();
  const highest = from.u8();
  from.at += 1;
  const serverNs = from.i64();
  const limits = { frameBytes: from.u32(), framePixels: from.u32(), framesPerS: from.f32() };
  const window = from.u16();
  from.at += 2;
  const idleS = from.f32();
  const size = [from.u16(), from.u16()];
  const [server, model, engine, precision] = [from.text(), from.text(), from.text(), from.text()];
  return {
    kind: "welcome", client: id, version, lowest, highest, serverNs, limits, window, idleS,
    size: size[0] ? size : null, server, model, engine, precision,
  };
}

function readPolygons(bytes, count) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const polygons = [];
  for (let at = 0, done = 0; done < count; done += 1) {
    const points = view.getUint32(at, true);
    at += 4;
    const polygon = new Float32Array(2 * points);
    for (let index = 0; index < 2 * points; index += 1, at += 4) polygon[index] = view.getFloat32(at, true);
    polygons.push(polygon);
  }
  return polygons;
}

function readObject(from) {
  const objectId = from.u32();
  const flags = from.u8();
  const format = Object.keys(MASKS)[from.u8()];
  const polygonCount = from.u16();
  const score = from.f32();
  const box = [from.f32(), from.f32(), from.f32(), from.f32()];
  const [x, y, width, height] = [from.u16(), from.u16(), from.u16(), from.u16()];
  const areaPx = from.u32();
  const maskBytes = from.u32();
  const polygonBytes = from.u32();
  const data = from.bytes(maskBytes);
  from.at += -maskBytes & 3;
  const polygons = readPolygons(from.bytes(polygonBytes), polygonCount);
  return {
    objectId, meant: Boolean(flags & 1), kept: Boolean(flags & 2), score, box, areaPx,
    mask: { format, x, y, width, height, data }, polygons,
  };
}

function readSelection(from, id) {
  const [timeNs, receivedNs, sentNs] = [from.i64(), from.i64(), from.i64()];
  const session = from.u32();
  const [width, height] = [from.u16(), from.u16()];
  const [state, source] = [STATES[from.u8()], SOURCES[from.u8()]];
  const [stageCount, objectCount] = [from.u8(), from.u8()];
  const ageMs = from.f32();
  const [x, y, spread] = [from.f32(), from.f32(), from.f32()];
  const stages = {};
  for (let index = 0; index < stageCount; index += 1) {
    stages[text8.decode(from.bytes(STAGE_BYTES - 4)).replace(/\0+$/, "")] = from.f32();
  }
  const objects = Array.from({ length: objectCount }, () => readObject(from));
  return {
    kind: "selection", frameId: id, timeNs, receivedNs, sentNs, session, width, height, state, source, ageMs,
    rest: Number.isNaN(x) ? null : { x, y, spread }, stages, objects,
  };
}

/** Read a message of the server. Throws a RangeError where it is none of this version. */
export function decodeMessage(buffer) {
  const from = new Reader(buffer);
  const kind = from.u8();
  const flags = from.u8();
  from.at += 2;
  const id = from.u32();
  if (EYE_READERS[kind]) return EYE_READERS[kind](from, flags, id);
  switch (kind) {
    case 0x81: return readWelcome(from, id);
    case 0x82: return readSelection(from, id);
    case 0x83: return { kind: "grant", window: id, framesPerS: from.f32() };
    case 0x84: return { kind: "skipped", frameId: id, why: SKIPPED[from.u8()] ?? "other" };
    case 0x85: {
      const action = Object.keys(ACTIONS)[from.u8() - 1];
      from.at += 3;
      return { kind: "triggered", triggerId: id, action, objectId: from.u32() };
    }
    case 0x86: return { kind: "pong", id, t0: from.i64(), t1: from.i64(), t2: from.i64() };
    case 0x87: {
      const code = from.u16();
      const about = from.u8();
      from.at += 1;
      const name = ERRORS[code] ?? `error ${code}`;
      return { kind: "error", id, fatal: Boolean(flags & 1), code, name, about, message: from.text() };
    }
    default: throw new RangeError(`a message of the unknown kind 0x${kind.toString(16)}`);
  }
}

/** The run lengths of a mask of the format `runs`, in turn outside and inside, along the rows of its rectangle. */
export function runsOf(mask) {
  const { data } = mask;
  if (data.byteOffset % 4 === 0) return new Uint32Array(data.buffer, data.byteOffset, data.byteLength >> 2);
  return new Uint32Array(data.slice().buffer);
}

/** Fill a mask of the format `runs` into bytes of its rectangle: 1 on the thing, 0 beside it. */
export function fillRuns(mask, out = new Uint8Array(mask.width * mask.height)) {
  let at = 0;
  let inside = 0;
  for (const run of runsOf(mask)) {
    out.fill(inside, at, at + run);
    at += run;
    inside ^= 1;
  }
  return out;
}
