// Calls functions of a worker: posts a verb with options, resolves to the result or rejects with the error.

export class WorkerRpc {
  #worker;
  #pending = new Map();
  #callId = 0;

  /** `file` is the worker's file in this folder; `name` is its name in error messages. */
  constructor(file, name) {
    this.name = name;
    this.#worker = new Worker(new URL(file, import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data: { id, result, error } }) => {
      const { resolve, reject } = this.#pending.get(id);
      this.#pending.delete(id);
      if (error === undefined) resolve(result);
      else reject(new Error(error));
    };
    this.#worker.onerror = ({ message }) => this.#fail(message || `${name} could not be loaded`);
  }

  call(verb, options, transfer = []) {
    this.#callId += 1;
    const id = this.#callId;
    this.#worker.postMessage({ id, verb, options }, transfer);
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
  }

  close() {
    this.#worker.terminate();
    this.#fail(`${this.name} was closed`);
  }

  #fail(message) {
    for (const { reject } of this.#pending.values()) reject(new Error(message));
    this.#pending.clear();
  }
}
