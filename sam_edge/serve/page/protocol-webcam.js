// The webcam gaze messages of the wire protocol: values to bytes and back. docs/reference/protocol.md describes every field.

import { Writer } from "./bytes.js";

export const CALIBRATION_ACTIONS = { start: 1, finish: 2, cancel: 3, restore: 4 };
export const TARGET_STATES = ["collecting", "collected", "unsteady"];

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Start webcam gaze for a screen; null stops it. */
export function encodeWebcam(screen) {
  const writer = new Writer(28).head(0x0a, screen ? 1 : 0);
  if (!screen) return writer.buffer;
  const { width, height, widthMm, cameraAboveMm = 8, cameraAsideMm = 0, fovDeg = 78 } = screen;
  return writer.u16(width).u16(height).f32(widthMm, cameraAboveMm, cameraAsideMm, fovDeg).buffer;
}

export function encodeFaceFrame(id, { timeNs, width, height, data }) {
  const image = data instanceof Uint8Array ? data : new Uint8Array(data);
  const writer = new Writer(24 + image.length).head(0x09, 0, id).i64(timeNs).u16(width).u16(height).u32(0);
  return writer.bytes(image).buffer;
}

export function encodeViewport({ x, y, scaleX, scaleY }) {
  return new Writer(24).head(0x0b).f32(x, y, scaleX, scaleY).buffer;
}

export function encodeCalibrate(action, calibration = "") {
  const data = encoder.encode(calibration);
  const writer = new Writer(12 + data.length).head(0x0c).u8(CALIBRATION_ACTIONS[action]).u8(0);
  return writer.u16(data.length).bytes(data).buffer;
}

export function encodeTarget(id, { timeNs, x, y, validation = false }) {
  return new Writer(24).head(0x0d, validation ? 1 : 0, id).i64(timeNs).f32(x, y).buffer;
}

export function encodeClick({ timeNs, x, y, sizePx = 0 }) {
  return new Writer(28).head(0x0e).i64(timeNs).f32(x, y, sizePx).buffer;
}

function readGazeEstimate(reader, flags, id) {
  const timeNs = reader.i64();
  const [x, y, confidence] = [reader.f32(), reader.f32(), reader.f32()];
  const covariance = [reader.f32(), reader.f32(), reader.f32()];
  const [faceModelProgress, latencyMs] = [reader.f32(), reader.f32()];
  const box = [reader.f32(), reader.f32(), reader.f32(), reader.f32()];
  const irises = [[reader.f32(), reader.f32()], [reader.f32(), reader.f32()]];
  const distanceMm = reader.f32();
  return {
    kind: "gaze_estimate", faceFrameId: id, timeNs, gaze: Number.isNaN(x) ? null : { x, y, confidence, covariance },
    face: flags & 1 ? { box, irises, distanceMm } : null,
    blinking: Boolean(flags & 2), calibrated: Boolean(flags & 4), faceModelProgress, latencyMs,
  };
}

function readTargetProgress(reader, flags, id) {
  const state = TARGET_STATES[reader.u8()];
  reader.skip(1);
  return { kind: "target_progress", targetId: id, state, validSamples: reader.u16(), progress: reader.f32() };
}

function readTargetError(reader) {
  const [targetId, flags] = [reader.u16(), reader.u16()];
  const [x, y, gazeX, gazeY] = [reader.f32(), reader.f32(), reader.f32(), reader.f32()];
  return { targetId, validation: Boolean(flags & 1), rejected: Boolean(flags & 2), x, y, gazeX, gazeY };
}

function readCalibrationResult(reader) {
  const action = Object.keys(CALIBRATION_ACTIONS)[reader.u8() - 1];
  const [targetCount, size] = [reader.u8(), reader.u16()];
  const [accuracyPx, accuracyDeg, worstDeg, noiseDeg, pxPerDeg] = [
    reader.f32(), reader.f32(), reader.f32(), reader.f32(), reader.f32(),
  ];
  const targets = Array.from({ length: targetCount }, () => readTargetError(reader));
  const calibration = decoder.decode(reader.bytes(size));
  return {
    kind: "calibration_result", action, accuracyPx, accuracyDeg, worstDeg, noiseDeg, pxPerDeg, targets, calibration,
  };
}

/** Readers of the server's webcam gaze messages, by kind. */
export const WEBCAM_READERS = { 0x88: readGazeEstimate, 0x89: readTargetProgress, 0x8a: readCalibrationResult };
