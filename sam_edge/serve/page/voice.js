// What a screen reader hears: changes, not every frame.

const THING_EVERY_MS = 1500;

export class Voice {
  #element;
  #thing = null;
  #thingAt = 0;

  constructor(element) {
    this.#element = element;
  }

  say(text) {
    this.#element.textContent = text;
  }

  /** Say that a thing is outlined, when it is another one, and not more often than one can listen. */
  thing(objectId, score) {
    const now = performance.now();
    if (objectId === this.#thing || now - this.#thingAt < THING_EVERY_MS) return;
    this.#thing = objectId;
    this.#thingAt = now;
    this.say(`Thing ${objectId} outlined, score ${Math.min(1, score).toFixed(2)}.`);
  }
}
