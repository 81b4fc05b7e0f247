// Names and merges, as `aois.json` holds them.

class Edits {
  labels = new Map();
  merges = new Map();

  /** The number that an object has after the merges. */
  final(object) {
    return this.merges.get(object) ?? object;
  }

  /** The objects that were merged into one. */
  mergedInto(object) {
    return [...this.merges].filter(([, kept]) => kept === object).map(([merged]) => merged);
  }

  label(object) {
    return this.labels.has(object) ? this.labels.get(object) : (byId.get(object)?.label ?? null);
  }

  name(object) {
    return this.label(object) ?? `object ${object}`;
  }

  /** Take a text as the label; one that the object has already is no change. */
  rename(object, text) {
    const label = text.trim() || null;
    if (label === (byId.get(object)?.label ?? null)) this.labels.delete(object);
    else this.labels.set(object, label);
  }

  /** Let an object, and those that were merged into it, be part of another one. */
  merge(object, kept) {
    const own = this.mergedInto(object);
    for (const number of [object, ...own]) this.merges.set(number, kept);
    this.labels.delete(object);
  }

  split(object) {
    this.merges.delete(object);
  }

  clear() {
    this.labels.clear();
    this.merges.clear();
  }

  get count() {
    return this.labels.size + this.merges.size;
  }

  toJson() {
    const numbers = [...new Set([...this.labels.keys(), ...this.merges.values()])].sort((a, b) => a - b);
    const objects = numbers.map((object) => {
      const merge = this.mergedInto(object).sort((a, b) => a - b);
      return {
        object,
        ...(this.labels.has(object) ? { label: this.labels.get(object) } : {}),
        ...(merge.length ? { merge } : {}),
      };
    });
    return JSON.stringify({ kind: "sam-edge aois", schema: 1, recording: data.recording, objects }, null, 1) + "\n";
  }
}
