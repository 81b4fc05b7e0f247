// Requests to the server: its state, and the person's answers, one at a time.

const BUSY_POLL_MS = 250;
const RETRY_MS = 1000;

export class Server extends EventTarget {
  #timer = 0;
  #pending = false;
  #ended = false;

  /** Load the state now: dispatches `state`, or `lost` when the server does not answer. */
  async loadState() {
    clearTimeout(this.#timer);
    if (this.#pending || this.#ended) return;
    await this.#send("/api/state");
  }

  /** Send an answer. Returns whether it is on disk; dispatches `refused` with the reason otherwise. */
  answer(state, answer) {
    return this.#send("/api/answer", { state, ...answer });
  }

  /** Stop the program: dispatches `stopped`. */
  async stop() {
    if (await this.#send("/api/stop", {}, "stopped")) this.#ended = true;
    clearTimeout(this.#timer);
  }

  async #send(path, body, event = "state") {
    if (this.#pending || this.#ended) return false;
    this.#pending = true;
    clearTimeout(this.#timer);
    try {
      const options = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
      const response = await fetch(path, options);
      const content = await response.json();
      if (!response.ok) {
        this.#emit("refused", { message: content.error.message, stale: response.status === 409 });
        this.#schedule(0);
        return false;
      }
      this.#emit(event, content);
      if (content.busy) this.#schedule(BUSY_POLL_MS);
      return true;
    } catch {
      this.#emit("lost", { answer: Boolean(body) });
      this.#schedule(RETRY_MS);
      return false;
    } finally {
      this.#pending = false;
    }
  }

  #schedule(afterMs) {
    this.#timer = setTimeout(() => this.loadState(), afterMs);
  }

  #emit(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }
}
