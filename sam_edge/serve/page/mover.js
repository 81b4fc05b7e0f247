// Moves masks from the picture they were found in to the one that is shown, in a worker.

import { Calls } from "./calls.js";

const LONG_SIDE_PX = 256;

export class Mover {
  #calls = new Calls("./motion-worker.js", "the motion worker");
  #camera;
  #key = 0;
  #masks = 0;

  constructor(camera) {
    this.#camera = camera;
  }

  /** Take the picture that the camera shows now. Gives its key; null where there is none. */
  async note() {
    this.#key += 1;
    const key = this.#key;
    const picture = await this.#camera.glance(LONG_SIDE_PX);
    if (!picture) return null;
    await this.#calls.call("note", { key, picture }, [picture]);
    return key;
  }

  /** A mask, found on the picture `from`, as `carry` takes it. */
  found(mask, from) {
    this.#masks += 1;
    return { id: this.#masks, from, mask, told: false };
  }

  /** The masks on the picture `to`, in a frame of `size`; null for those that nobody knows any more. */
  carry(several, to, size) {
    const things = several.map(({ id, from, mask, told }) => ({ id, from, mask: told ? null : mask }));
    for (const one of several) one.told = true;
    return this.#calls.call("carry", { things, to, size });
  }

  /** Where on the picture `to` the place was that is looked at on a later one, `from`. */
  back(place, from, to, size) {
    return this.#calls.call("back", { place, from, to, size });
  }

  close() {
    this.#calls.close();
  }
}
