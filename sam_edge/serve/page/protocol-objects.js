// The messages of the wire protocol about known objects: values to bytes and back. docs/reference/protocol.md describes every field.

import { Writer } from "./bytes.js";

export const OBJECT_ACTIONS = { list: 1, rename: 2, merge: 3, forget: 4 };
export const EVENT_KINDS = { 1: "new", 2: "returned", 3: "merged", 4: "forgotten", 5: "renamed" };

const encoder = new TextEncoder();

export function encodeObjectCommand(id, action, { objectId = 0, otherId = 0, label = null } = {}) {
  const text = encoder.encode(label ?? "");
  const writer = new Writer(22 + text.length).head(0x0f, 0, id).u8(OBJECT_ACTIONS[action]).u8(0).u16(0);
  return writer.u32(objectId).u32(otherId).text(text).buffer;
}

/** From then on, the server says which selections are not confirmed. */
export function encodeConfirmation() {
  return new Writer(8).head(0x10).buffer;
}

function readKnownObject(reader) {
  const objectId = reader.u32();
  const flags = reader.u8();
  reader.skip(3);
  const [firstSeenNs, lastSeenNs] = [reader.i64(), reader.i64()];
  const [dwellMs, visits] = [reader.u32(), reader.u32()];
  const box = [reader.f32(), reader.f32(), reader.f32(), reader.f32()];
  const label = reader.text() || null;
  return { objectId, label, firstSeenNs, lastSeenNs, dwellMs, visits, pinned: Boolean(flags & 1), box };
}

function readObjectList(reader, flags, id) {
  const session = reader.u32();
  const count = reader.u16();
  reader.skip(2);
  const objects = Array.from({ length: count }, () => readKnownObject(reader));
  return { kind: "object_list", commandId: id, session, objects };
}

function readEvent(reader) {
  const timeNs = reader.i64();
  const kind = EVENT_KINDS[reader.u8()] ?? "other";
  reader.skip(3);
  const [objectId, otherId] = [reader.u32(), reader.u32()];
  return { kind, timeNs, objectId, otherId: otherId || null, label: reader.text() || null };
}

function readObjectInfo(reader, flags, id) {
  const [labelCount, eventCount] = [reader.u16(), reader.u16()];
  const labels = new Map(Array.from({ length: labelCount }, () => [reader.u32(), reader.text()]));
  const events = Array.from({ length: eventCount }, () => readEvent(reader));
  return { kind: "object_info", frameId: id, labels, events };
}

function readUnconfirmed(reader, flags, id) {
  return { kind: "unconfirmed", frameId: id, objectId: reader.u32() };
}

/** Readers of the server's messages about known objects, by kind. */
export const OBJECT_READERS = { 0x8b: readObjectList, 0x8c: readObjectInfo, 0x8d: readUnconfirmed };
