// The server: what it tells, and what it is told. One answer at a time.

const BUSY_MS = 250;
const AGAIN_MS = 1000;

export class Server extends EventTarget {
  #timer = 0;
  #asking = false;
  #ended = false;

  /** Ask for the state now; a `state` event brings it, `lost` says that nobody answers. */
  async look() {
    clearTimeout(this.#timer);
    if (this.#asking || this.#ended) return;
    await this.#send("/api/state");
  }

  /** Give an answer. Returns whether it is on disk; a `refused` event says why not. */
  answer(state, answer) {
    return this.#send("/api/answer", { state, ...answer });
  }

  async stop() {
    if (await this.#send("/api/stop", {}, "stopped")) this.#ended = true;
    clearTimeout(this.#timer);
  }

  async #send(path, body, event = "state") {
    if (this.#asking || this.#ended) return false;
    this.#asking = true;
    clearTimeout(this.#timer);
    try {
      const options = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
      const response = await fetch(path, options);
      const told = await response.json();
      if (!response.ok) {
        this.#tell("refused", { message: told.error.message, stale: response.status === 409 });
        this.#again(0);
        return false;
      }
      this.#tell(event, told);
      if (told.busy) this.#again(BUSY_MS);
      return true;
    } catch {
      this.#tell("lost", { answer: Boolean(body) });
      this.#again(AGAIN_MS);
      return false;
    } finally {
      this.#asking = false;
    }
  }

  #again(afterMs) {
    this.#timer = setTimeout(() => this.look(), afterMs);
  }

  #tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }
}
