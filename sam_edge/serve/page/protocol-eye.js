// The part of the protocol that is about a camera which looks at the person: bytes to values and back.

import { Writer } from "./bytes.js";

export const CALIBRATION_ACTIONS = { begin: 1, finish: 2, abandon: 3, restore: 4 };
export const AIMING = ["collecting", "seen", "unsteady"];

const text8 = new TextDecoder();
const utf8 = new TextEncoder();

/** What the person looks at, or null to end. */
export function encodeEye(screen) {
  const writer = new Writer(28).head(0x0a, screen ? 1 : 0);
  if (!screen) return writer.buffer;
  const { width, height, widthMm, cameraAboveMm = 8, cameraAsideMm = 0, fovDeg = 78 } = screen;
  return writer.u16(width).u16(height).f32(widthMm, cameraAboveMm, cameraAsideMm, fovDeg).buffer;
}

export function encodeFace(id, { timeNs, width, height, data }) {
  const picture = data instanceof Uint8Array ? data : new Uint8Array(data);
  const writer = new Writer(24 + picture.length).head(0x09, 0, id).i64(timeNs).u16(width).u16(height).u32(0);
  return writer.bytes(picture).buffer;
}

export function encodeStage({ x, y, scaleX, scaleY }) {
  return new Writer(24).head(0x0b).f32(x, y, scaleX, scaleY).buffer;
}

export function encodeCalibrate(action, kept = "") {
  const data = utf8.encode(kept);
  const writer = new Writer(12 + data.length).head(0x0c).u8(CALIBRATION_ACTIONS[action]).u8(0);
  return writer.u16(data.length).bytes(data).buffer;
}

export function encodeTarget(id, { timeNs, x, y, check = false }) {
  return new Writer(24).head(0x0d, check ? 1 : 0, id).i64(timeNs).f32(x, y).buffer;
}

export function encodeClicked({ timeNs, x, y, sizePx = 0 }) {
  return new Writer(28).head(0x0e).i64(timeNs).f32(x, y, sizePx).buffer;
}

function readSight(from, flags, id) {
  const timeNs = from.i64();
  const [x, y, confidence] = [from.f32(), from.f32(), from.f32()];
  const covariance = [from.f32(), from.f32(), from.f32()];
  const [learned, tookMs] = [from.f32(), from.f32()];
  const box = [from.f32(), from.f32(), from.f32(), from.f32()];
  const irises = [[from.f32(), from.f32()], [from.f32(), from.f32()]];
  const distanceMm = from.f32();
  return {
    kind: "sight", faceId: id, timeNs, gaze: Number.isNaN(x) ? null : { x, y, confidence, covariance },
    face: flags & 1 ? { box, irises, distanceMm } : null,
    blinking: Boolean(flags & 2), calibrated: Boolean(flags & 4), learned, tookMs,
  };
}

function readAimed(from, flags, id) {
  const state = AIMING[from.u8()];
  from.at += 1;
  return { kind: "aimed", target: id, state, samples: from.u16(), progress: from.f32() };
}

function readTarget(from) {
  const [target, flags] = [from.u16(), from.u16()];
  const [x, y, gazeX, gazeY] = [from.f32(), from.f32(), from.f32(), from.f32()];
  return { target, check: Boolean(flags & 1), rejected: Boolean(flags & 2), x, y, gazeX, gazeY };
}

function readCalibrated(from) {
  const action = Object.keys(CALIBRATION_ACTIONS)[from.u8() - 1];
  const [count, size] = [from.u8(), from.u16()];
  const [accuracyPx, accuracyDeg, worstDeg, noiseDeg, pxPerDegree] = [
    from.f32(), from.f32(), from.f32(), from.f32(), from.f32(),
  ];
  const targets = Array.from({ length: count }, () => readTarget(from));
  const kept = text8.decode(from.bytes(size));
  return { kind: "calibrated", action, accuracyPx, accuracyDeg, worstDeg, noiseDeg, pxPerDegree, targets, kept };
}

/** What reads the answers, by their kinds. */
export const EYE_READERS = { 0x88: readSight, 0x89: readAimed, 0x8a: readCalibrated };
