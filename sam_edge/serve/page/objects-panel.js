// The list of known objects: kept fresh from the server, with rename, merge and forget.

import { ObjectRow, nameOf } from "./object-row.js";

const REFRESH_MS = 1000;
const NOTE_MS = 8000;
const LABEL_CHARACTERS = 64;
const $ = (id) => document.getElementById(id);

const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** What an event says to a person. */
function eventText({ kind, objectId, otherId, label }) {
  const name = nameOf({ objectId, label });
  if (kind === "merged") return `Object ${otherId} is ${label ? `${label}, object ${objectId}` : name}.`;
  if (kind === "returned") return `${capital(name)} is back.`;
  if (kind === "forgotten") return `${capital(name)} was forgotten.`;
  if (kind === "new") return `${capital(name)} is new.`;
  return label ? `Object ${objectId} is called ${label}.` : `Object ${objectId} has no name any more.`;
}

export class ObjectsPanel {
  #client;
  #say;
  #actions;
  #rows = new Map();
  #objects = [];
  #dueMs = 0;
  #asking = false;
  #session = null;
  #pinned = "";
  #target = 0;
  #note = { important: false, untilMs: 0 };
  #labelCharacters = LABEL_CHARACTERS;

  /** `client` returns the client, `say` announces a text, `unpin` unpins an object. */
  constructor({ client, say, unpin }) {
    this.#client = client;
    this.#say = say;
    this.#actions = {
      labelCharacters: () => this.#labelCharacters,
      unpin,
      rename: (objectId, label) => this.#change(this.#client().rename(objectId, label)),
      merge: (keepId, otherId) => this.#merge(keepId, otherId),
      forget: (objectId) => this.#forget(objectId),
    };
  }

  /** Take the server's limits, `objects` of `/api/info`. */
  configure({ label_characters: labelCharacters }) {
    this.#labelCharacters = labelCharacters;
  }

  /** Show a selection of the server: what happened, and what is looked at. */
  update(selection, nowMs) {
    const { session, objects, events } = selection;
    if (session !== this.#session) this.clear();
    this.#session = session;
    for (const event of events) this.#showEvent(event, nowMs);
    if (nowMs > this.#note.untilMs) this.#showNote("");
    const target = objects.find((object) => object.gazeTarget)?.objectId ?? 0;
    const pinned = objects.filter((object) => object.pinned).map(({ objectId }) => objectId).join();
    const changed = events.length > 0 || pinned !== this.#pinned;
    const looked = target !== this.#target;
    this.#pinned = pinned;
    this.#target = target;
    if (changed) this.#dueMs = 0;
    if (looked) this.#draw();
    if (nowMs >= this.#dueMs) this.#ask(nowMs);
  }

  /** Show the pinned objects of a session that knows no other ones. */
  showPinned(objects) {
    this.#show(objects.map(({ objectId }) => ({ objectId, label: null, pinned: true })));
  }

  /** Show no objects. */
  clear() {
    this.#session = null;
    this.#pinned = "";
    this.#target = 0;
    this.#dueMs = 0;
    this.#showNote("");
    this.#show([]);
  }

  /** The name of an object in a sentence. */
  nameOf(objectId) {
    return nameOf(this.#find(objectId));
  }

  #find(objectId) {
    return this.#objects.find((object) => object.objectId === objectId) ?? { objectId, label: null };
  }

  async #ask(nowMs) {
    if (this.#asking) return;
    this.#asking = true;
    this.#dueMs = nowMs + REFRESH_MS;
    const session = this.#session;
    try {
      const objects = await this.#client().listObjects();
      if (session === this.#session) this.#show(objects);
    } catch {
      // The connection was lost; the page says so.
    } finally {
      this.#asking = false;
    }
  }

  async #change(answer) {
    try {
      this.#show(await answer);
      return true;
    } catch (error) {
      this.#showNote(`Not changed: ${error.message}`, true);
      this.#say(`Not changed: ${error.message}`);
      this.#draw();
      return false;
    }
  }

  async #merge(keepId, otherId) {
    if (!(await this.#change(this.#client().merge(keepId, otherId)))) return;
    this.#tell(eventText({ ...this.#find(keepId), kind: "merged", otherId }));
    this.#rows.get(keepId)?.focus();
  }

  async #forget(objectId) {
    const text = `${capital(this.nameOf(objectId))} was forgotten.`;
    const next = this.#objects.find((object) => object.objectId < objectId);
    if (!(await this.#change(this.#client().forget(objectId)))) return;
    this.#tell(text);
    if (next) this.#rows.get(next.objectId)?.focus();
    else $("objects-title").focus();
  }

  #tell(text) {
    this.#showNote(text, true);
    this.#say(text);
  }

  // Merged and forgotten objects matter; that others are new or back is said when there is room for it.
  #showEvent(event, nowMs) {
    const text = eventText(event);
    const important = ["merged", "forgotten", "renamed"].includes(event.kind);
    if (!important && this.#note.important && nowMs < this.#note.untilMs) return;
    this.#showNote(text, important, nowMs);
    if (event.kind === "merged" || event.kind === "forgotten") this.#say(text);
  }

  #showNote(text, important = false, nowMs = performance.now()) {
    this.#note = { important, untilMs: text ? nowMs + NOTE_MS : Infinity };
    if ($("objects-note").textContent !== text) $("objects-note").textContent = text;
  }

  #show(objects) {
    this.#objects = [...objects].sort((one, other) => other.objectId - one.objectId);
    this.#draw();
  }

  #draw() {
    const list = $("objects");
    const objects = this.#objects;
    const kept = new Set(objects.map(({ objectId }) => objectId));
    for (const [objectId, row] of this.#rows) {
      if (kept.has(objectId)) continue;
      row.element.remove();
      this.#rows.delete(objectId);
    }
    // Newest first. Rows never change their order, so that the focus stays where it is.
    let before = list.firstElementChild;
    for (const object of objects) {
      let row = this.#rows.get(object.objectId);
      if (!row) {
        row = new ObjectRow(object.objectId, this.#actions);
        this.#rows.set(object.objectId, row);
        list.insertBefore(row.element, before);
      } else {
        before = row.element.nextElementSibling;
      }
      row.update(object, { others: objects, looked: object.objectId === this.#target });
    }
    $("objects-none").hidden = objects.length > 0;
    $("objects-count").textContent = objects.length > 1 ? objects.length : "";
  }
}
