// Runs the decoder in the page: the server encodes an image once, and masks are decoded here.

import { ViewTransform } from "./view-transform.js";
import { WorkerRpc } from "./worker-rpc.js";

const MOST_THREADS = 4;

/** The decoder does not run in this browser, for example because it gets no memory. */
export class DecoderError extends Error {}

/** Decodes in a worker. `provider` and `threads` say on which backend. */
export class Decoder {
  #worker = new WorkerRpc("./decoder-worker.js", "the decoder");
  #key = 0;
  #token;

  /**
   * Load onnxruntime-web and the decoder. `info` is the answer of /api/info; `provider` is "wasm", "webgpu" or "auto":
   * WebGPU on a hardware adapter, else WebAssembly.
   */
  static async open(info, { token = "", provider: requested = "auto", threads = null } = {}) {
    if (!info.decoder) throw new Error("this server's model has no decoder for browsers");
    const provider = requested === "auto" ? await bestProvider() : requested;
    const decoder = new Decoder(token);
    const fast = provider === "wasm" && info.decoder.for_wasm;
    const most = Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1);
    const opened = await decoder.#worker.call("open", {
      graph: (fast || info.decoder).url,
      weights: info.decoder.external_data,
      token,
      threads: threads ?? most,
      provider,
    });
    Object.assign(decoder, opened);
    return decoder;
  }

  constructor(token) {
    this.#token = token;
    this.provider = "";
    this.threads = 0;
  }

  /** Encode a JPEG or PNG on the server. Resolves to an embedding for `decode`, with durations in ms. */
  async encode(blob, { size = null, view = null, engine = "", dtype = "float32", signal = null } = {}) {
    const query = new URLSearchParams({ dtype });
    if (size) query.set("size", size.join("x"));
    if (view) query.set("view", view.join(","));
    if (engine) query.set("engine", engine);
    const headers = { "Content-Type": blob.type };
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    const startMs = performance.now();
    const response = await fetch(`/api/encode?${query}`, { method: "POST", body: blob, headers, signal });
    if (!response.ok) throw await errorOf(response);
    const metadata = JSON.parse(response.headers.get("X-Sam-Edge-Embedding"));
    const data = await response.arrayBuffer();
    const networkMs = Math.max(0, performance.now() - startMs - metadata.encode_ms - metadata.picture_ms);
    return { ...(await this.embed(data, metadata)), encodeMs: metadata.encode_ms, networkMs };
  }

  /** Load an embedding: its bytes, which are transferred to the worker, and the metadata of /api/encode. */
  async embed(data, metadata) {
    this.#key += 1;
    const key = this.#key;
    await this.#call("embed", { key, data, metadata }, [data]);
    return { key, transform: new ViewTransform(metadata) };
  }

  /**
   * Decode a prompt in pixels of the encoded image. With `reference`, a mask of an earlier `decode`, the mask with the
   * most similar size is chosen; `similarity` (0 to 1) says how similar it is.
   */
  decode(embedding, { points = [], labels = null, box = null, reference = null }) {
    return this.#call("decode", { key: embedding.key, points, labels, box, reference });
  }

  close() {
    this.#worker.close();
  }

  async #call(verb, options, transfer = []) {
    try {
      return await this.#worker.call(verb, options, transfer);
    } catch (error) {
      throw new DecoderError(error.message);
    }
  }
}

async function bestProvider() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  const software = adapter?.isFallbackAdapter ?? adapter?.info?.isFallbackAdapter ?? true;
  if (!adapter || software) return "wasm";
  const vendorFile = await fetch("/vendor/ort.webgpu.min.mjs", { method: "HEAD" }).catch(() => null);
  return vendorFile?.ok ? "webgpu" : "wasm";
}

async function errorOf(response) {
  const { error } = await response.json().catch(() => ({ error: null }));
  return new Error(error?.message ?? `${response.status} ${response.statusText}`);
}
