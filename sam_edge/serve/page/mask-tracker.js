// Moves masks along with the video, in a worker: from the image on which they were decoded to the image shown now.

import { WorkerRpc } from "./worker-rpc.js";

const LONG_SIDE_PX = 256;

export class MaskTracker {
  #worker = new WorkerRpc("./motion-worker.js", "the motion worker");
  #camera;
  #imageKey = 0;
  #trackId = 0;

  constructor(camera) {
    this.#camera = camera;
  }

  /** Add the image that the camera shows now. Resolves to its key; null without an image. */
  async addImage() {
    this.#imageKey += 1;
    const key = this.#imageKey;
    const image = await this.#camera.thumbnail(LONG_SIDE_PX);
    if (!image) return null;
    await this.#worker.call("addImage", { key, image }, [image]);
    return key;
  }

  /** Start to track a mask that was decoded on the image `from`. */
  start(mask, from) {
    this.#trackId += 1;
    return { id: this.#trackId, from, mask, sent: false };
  }

  /** Masks of tracks on the image `to`, in a frame of `size`; null where tracking was lost. */
  moveTo(tracks, to, size) {
    const requests = tracks.map(({ id, from, mask, sent }) => ({ id, from, mask: sent ? null : mask }));
    for (const track of tracks) track.sent = true;
    return this.#worker.call("moveMasks", { tracks: requests, to, size });
  }

  /** Where on the earlier image `to` the point lies that is looked at on the image `from`. */
  movePointBack(point, from, to, size) {
    return this.#worker.call("movePointBack", { point, from, to, size });
  }

  close() {
    this.#worker.close();
  }
}
