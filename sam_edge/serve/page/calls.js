// Calls of a worker: a verb and options go out, a result or an error comes back.

export class Calls {
  #worker;
  #waiting = new Map();
  #number = 0;

  /** `name` is the worker's file beside this one; `what` is said when it cannot be loaded, or is closed. */
  constructor(name, what) {
    this.what = what;
    this.#worker = new Worker(new URL(name, import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data: { id, result, error } }) => {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) resolve(result);
      else reject(new Error(error));
    };
    this.#worker.onerror = ({ message }) => this.#fail(message || `${what} could not be loaded`);
  }

  call(verb, options, transfer = []) {
    this.#number += 1;
    const id = this.#number;
    this.#worker.postMessage({ id, verb, options }, transfer);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  close() {
    this.#worker.terminate();
    this.#fail(`${this.what} was closed`);
  }

  #fail(message) {
    for (const { reject } of this.#waiting.values()) reject(new Error(message));
    this.#waiting.clear();
  }
}
