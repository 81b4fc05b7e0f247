// Announces changes to screen readers through a live region; not every frame.

const OBJECT_INTERVAL_MS = 1500;

export class Announcer {
  #element;
  #objectId = null;
  #objectAtMs = 0;

  constructor(element) {
    this.#element = element;
  }

  say(text) {
    this.#element.textContent = text;
  }

  /** Announce the outlined object, by its name, when it changes, at most once in `OBJECT_INTERVAL_MS`. */
  outlined(objectId, name, score) {
    const now = performance.now();
    if (objectId === this.#objectId || now - this.#objectAtMs < OBJECT_INTERVAL_MS) return;
    this.#objectId = objectId;
    this.#objectAtMs = now;
    this.say(`${name[0].toUpperCase()}${name.slice(1)} outlined, score ${Math.min(1, score).toFixed(2)}.`);
  }
}
