// The wire protocol, version 2: values to bytes and back. docs/reference/protocol.md describes every field.

import { Reader, Writer } from "./bytes.js";
import { OBJECT_READERS } from "./protocol-objects.js";
import { WEBCAM_READERS } from "./protocol-webcam.js";

export { msOf, nsOf } from "./bytes.js";
export * from "./protocol-objects.js";
export * from "./protocol-webcam.js";

/** The protocol version of this file. Server and client must speak the same one. */
export const VERSION = 2;
export const MASK_FORMATS = { none: 0, runs: 1, png: 2, coco: 3 };
export const IMAGE_FORMATS = { jpeg: 1, rgb: 2, nv12: 3, rgba: 4 };
export const COMMAND_ACTIONS = { pin: 1, unpin: 2, reset: 3 };
export const STATES = ["none", "hover", "focused", "held", "lost"];
export const ORIGINS = ["none", "encoded", "reused", "propagated", "followed"];
export const SKIP_REASONS = { 1: "replaced", 2: "reset", 3: "too_soon" };
export const ERROR_CODES = {
  1: "malformed", 2: "unsupported_version", 3: "unauthorized", 4: "too_large", 5: "invalid_image", 6: "out_of_order",
  7: "invalid_option", 8: "rate_limit", 9: "too_many_clients", 10: "timeout", 11: "engine_failed", 12: "shutting_down",
  13: "too_many_webcams", 14: "unknown_object",
};
/** Message kinds by wire name. */
export const KINDS = {
  hello: 0x01, frame: 0x02, gaze: 0x03, rays: 0x04, camera: 0x05, command: 0x06, ping: 0x07, configure: 0x08,
  face_frame: 0x09, webcam: 0x0a, viewport: 0x0b, calibrate: 0x0c, target: 0x0d, click: 0x0e,
  object_command: 0x0f, confirmation: 0x10,
  welcome: 0x81, selection: 0x82, grant: 0x83, skipped: 0x84, command_result: 0x85, pong: 0x86, error: 0x87,
  gaze_estimate: 0x88, target_progress: 0x89, calibration_result: 0x8a, object_list: 0x8b, object_info: 0x8c,
  unconfirmed: 0x8d,
};

const MAGIC = 0x45474553; // "SEGE", little-endian
const SAMPLE_BYTES = 32;
const RAY_BYTES = 72;
const STAGE_NAME_BYTES = 12;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const SPACES = { head: 0, world: 2, camera: 4 };
const READERS = { ...WEBCAM_READERS, ...OBJECT_READERS };

export function encodeHello({
  maskFormat = "runs", polygons = false, tolerancePx = 1, pxPerDeg = 0, size = null, token = "", engine = "", name = "",
}) {
  const texts = [token, engine, name].map((text) => encoder.encode(text));
  const [width, height] = size ?? [0, 0];
  const writer = new Writer(28 + texts.reduce((sum, text) => sum + 2 + text.length, 0));
  writer.head(KINDS.hello).u32(MAGIC).u8(VERSION).u8(VERSION).u8(MASK_FORMATS[maskFormat]).u8(polygons ? 1 : 0);
  writer.f32(tolerancePx, pxPerDeg).u16(width).u16(height);
  for (const text of texts) writer.text(text);
  return writer.buffer;
}

export function encodeConfigure({ maskFormat = "runs", polygons = false, tolerancePx = 1 }) {
  const writer = new Writer(16).head(KINDS.configure).u8(MASK_FORMATS[maskFormat]).u8(polygons ? 1 : 0);
  return writer.u16(0).f32(tolerancePx).buffer;
}

export function encodeFrame(id, { timeNs, format = "jpeg", width, height, data, intrinsics = null, bottomUp = false }) {
  const image = data instanceof Uint8Array ? data : new Uint8Array(data);
  const writer = new Writer(24 + (intrinsics ? 36 : 0) + image.length);
  writer.head(KINDS.frame, (intrinsics ? 1 : 0) | (bottomUp ? 2 : 0), id).i64(timeNs);
  writer.u8(IMAGE_FORMATS[format]).u8(0).u16(0).u16(width).u16(height);
  if (intrinsics) {
    const { focalPx, centerPx, distortion = [0, 0, 0, 0, 0] } = intrinsics;
    writer.f32(...focalPx, ...centerPx, ...distortion);
  }
  return writer.bytes(image).buffer;
}

export function encodeGaze(samples) {
  const writer = new Writer(8 + SAMPLE_BYTES * samples.length).head(KINDS.gaze, 0, samples.length);
  for (const { timeNs, x, y, confidence = 1, covariance = [NaN, NaN, NaN] } of samples) {
    writer.i64(timeNs).f32(x, y, confidence, ...covariance);
  }
  return writer.buffer;
}

function writeRay(writer, ray) {
  const { timeNs, confidence = 1, depthM = NaN, origin = [0, 0, 0], direction } = ray;
  const { headPosition = [0, 0, 0], headOrientation = [0, 0, 0, 1] } = ray;
  writer.i64(timeNs).f32(confidence, depthM, ...origin, ...direction, ...headPosition, ...headOrientation).u32(0);
}

export function encodeRays(rays, { cameraAxes = false, space = "head" } = {}) {
  const flags = (cameraAxes ? 1 : 0) | SPACES[space];
  const writer = new Writer(8 + RAY_BYTES * rays.length).head(KINDS.rays, flags, rays.length);
  for (const ray of rays) writeRay(writer, ray);
  return writer.buffer;
}

export function encodeCamera({
  width, height, focalPx, centerPx, distortion = [0, 0, 0, 0, 0], position = [0, 0, 0], orientation = [0, 0, 0, 1],
  distanceM = 2, cameraAxes = false,
}) {
  const writer = new Writer(80).head(KINDS.camera, cameraAxes ? 1 : 0).u16(width).u16(height);
  return writer.f32(...focalPx, ...centerPx, ...distortion, ...position, ...orientation, distanceM).buffer;
}

export function encodeCommand(id, action, options = {}) {
  const { objectId = 0, atNs = null, point = null, ray = null, cameraAxes = false, space = "head" } = options;
  let flags = ray ? (cameraAxes ? 1 : 0) | SPACES[space] | 0x20 : 0;
  flags |= (atNs === null ? 0 : 0x08) | (point ? 0x10 : 0);
  const writer = new Writer(ray ? 32 + RAY_BYTES : 32).head(KINDS.command, flags, id);
  writer.u8(COMMAND_ACTIONS[action]).u8(0).u16(0).u32(objectId).i64(atNs ?? 0n).f32(...(point ?? [0, 0]));
  if (ray) writeRay(writer, ray);
  return writer.buffer;
}

export function encodePing(id, { timeNs, offsetNs = 0n, uncertaintyNs = -1n }) {
  return new Writer(32).head(KINDS.ping, 0, id).i64(timeNs).i64(offsetNs).i64(uncertaintyNs).buffer;
}

function readWelcome(reader, id) {
  if (reader.u32() !== MAGIC) throw new RangeError("not a sam-edge server");
  const version = reader.u8();
  if (version !== VERSION) {
    throw new RangeError(`the server speaks protocol version ${version}, this client version ${VERSION}`);
  }
  const lowest = reader.u8();
  const highest = reader.u8();
  reader.skip(1);
  const serverNs = reader.i64();
  const limits = { frameBytes: reader.u32(), framePixels: reader.u32(), framesPerS: reader.f32() };
  const window = reader.u16();
  reader.skip(2);
  const idleS = reader.f32();
  const size = [reader.u16(), reader.u16()];
  const [server, model, engine, precision] = [reader.text(), reader.text(), reader.text(), reader.text()];
  return {
    kind: "welcome", clientId: id, version, lowest, highest, serverNs, limits, window, idleS,
    size: size[0] ? size : null, server, model, engine, precision,
  };
}

function readPolygons(bytes, count) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const polygons = [];
  let at = 0;
  while (polygons.length < count) {
    const points = view.getUint32(at, true);
    at += 4;
    const polygon = new Float32Array(2 * points);
    for (let index = 0; index < 2 * points; index += 1, at += 4) polygon[index] = view.getFloat32(at, true);
    polygons.push(polygon);
  }
  return polygons;
}

function readObject(reader) {
  const objectId = reader.u32();
  const flags = reader.u8();
  const format = Object.keys(MASK_FORMATS)[reader.u8()];
  const polygonCount = reader.u16();
  const score = reader.f32();
  const box = [reader.f32(), reader.f32(), reader.f32(), reader.f32()];
  const [x, y, width, height] = [reader.u16(), reader.u16(), reader.u16(), reader.u16()];
  const areaPx = reader.u32();
  const maskBytes = reader.u32();
  const polygonBytes = reader.u32();
  const data = reader.bytes(maskBytes);
  reader.skip(-maskBytes & 3);
  const polygons = readPolygons(reader.bytes(polygonBytes), polygonCount);
  return {
    objectId, label: null, gazeTarget: Boolean(flags & 1), pinned: Boolean(flags & 2), score, box, areaPx,
    mask: { format, x, y, width, height, data }, polygons,
  };
}

function readSelection(reader, id) {
  const [timeNs, receivedNs, sentNs] = [reader.i64(), reader.i64(), reader.i64()];
  const session = reader.u32();
  const [width, height] = [reader.u16(), reader.u16()];
  const [state, origin] = [STATES[reader.u8()], ORIGINS[reader.u8()]];
  const [stageCount, objectCount] = [reader.u8(), reader.u8()];
  const ageMs = reader.f32();
  const [x, y, spread] = [reader.f32(), reader.f32(), reader.f32()];
  const stages = {};
  for (let index = 0; index < stageCount; index += 1) {
    stages[decoder.decode(reader.bytes(STAGE_NAME_BYTES)).replace(/\0+$/, "")] = reader.f32();
  }
  const objects = Array.from({ length: objectCount }, () => readObject(reader));
  return {
    kind: "selection", frameId: id, timeNs, receivedNs, sentNs, session, width, height, state, origin, ageMs,
    fixation: Number.isNaN(x) ? null : { x, y, spread }, stages, objects, events: [],
  };
}

function readCommandResult(reader, id) {
  const action = Object.keys(COMMAND_ACTIONS)[reader.u8() - 1];
  reader.skip(3);
  return { kind: "command_result", commandId: id, action, objectId: reader.u32() };
}

function readError(reader, flags, id) {
  const code = reader.u16();
  const aboutKind = reader.u8();
  reader.skip(1);
  const name = ERROR_CODES[code] ?? `error_${code}`;
  return { kind: "error", fatal: Boolean(flags & 1), code, name, aboutKind, aboutId: id, message: reader.text() };
}

/** Read a message of the server. Throws a RangeError for anything that is not a message of this version. */
export function decodeMessage(buffer) {
  const reader = new Reader(buffer);
  const kind = reader.u8();
  const flags = reader.u8();
  reader.skip(2);
  const id = reader.u32();
  if (READERS[kind]) return READERS[kind](reader, flags, id);
  switch (kind) {
    case KINDS.welcome: return readWelcome(reader, id);
    case KINDS.selection: return readSelection(reader, id);
    case KINDS.grant: return { kind: "grant", window: id, framesPerS: reader.f32() };
    case KINDS.skipped: return { kind: "skipped", frameId: id, reason: SKIP_REASONS[reader.u8()] ?? "other" };
    case KINDS.command_result: return readCommandResult(reader, id);
    case KINDS.pong: return { kind: "pong", pingId: id, t0: reader.i64(), t1: reader.i64(), t2: reader.i64() };
    case KINDS.error: return readError(reader, flags, id);
    default: throw new RangeError(`unknown message kind 0x${kind.toString(16)}`);
  }
}

/** Run lengths of a mask in the format `runs`: outside and inside in turn, along the rows of the mask's rectangle. */
export function runsOf(mask) {
  const { data } = mask;
  if (data.byteOffset % 4 === 0) return new Uint32Array(data.buffer, data.byteOffset, data.byteLength >> 2);
  return new Uint32Array(data.slice().buffer);
}

/** Expand a mask in the format `runs` to one byte per pixel of its rectangle: 1 on the object, 0 outside. */
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
