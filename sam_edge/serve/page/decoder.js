// The decoder in the page: the server encodes a picture once, masks are decoded here.

import { Calls } from "./calls.js";
import { Placement } from "./placement.js";

const MOST_THREADS = 4;

/** Decodes in a worker. `Decoder.open` says on what, in `provider` and `threads`. */
export class Decoder {
  #calls = new Calls("./decoder-worker.js", "the decoder");
  #key = 0;
  #token;

  /**
   * Load onnxruntime-web and the graph.
   * `info` is /api/info's answer; `on` is "wasm", "webgpu", or "auto": WebGPU where there is an adapter of hardware.
   */
  static async open(info, { token = "", on = "auto", threads = null } = {}) {
    if (!info.decoder) throw new Error("this server's model has no decoder for browsers");
    const provider = on === "auto" ? await bestProvider() : on;
    const decoder = new Decoder(token);
    const fast = provider === "wasm" && info.decoder.for_wasm;
    const most = Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1);
    const opened = await decoder.#calls.call("open", {
      graph: (fast || info.decoder).url,
      weights: info.decoder.external_data,
      token,
      threads: threads ?? most,
      on: provider,
    });
    Object.assign(decoder, opened);
    return decoder;
  }

  constructor(token) {
    this.#token = token;
    this.provider = "";
    this.threads = 0;
  }

  /** Let the server encode a JPEG or PNG. Gives an embedding for `decode`; its parts' times are in ms. */
  async encode(blob, { size = null, view = null, engine = "", dtype = "float32", signal = null } = {}) {
    const query = new URLSearchParams({ dtype });
    if (size) query.set("size", size.join("x"));
    if (view) query.set("view", view.join(","));
    if (engine) query.set("engine", engine);
    const headers = { "Content-Type": blob.type };
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    const begun = performance.now();
    const response = await fetch(`/api/encode?${query}`, { method: "POST", body: blob, headers, signal });
    if (!response.ok) throw await refusal(response);
    const told = JSON.parse(response.headers.get("X-Sam-Edge-Embedding"));
    const data = await response.arrayBuffer();
    const networkMs = Math.max(0, performance.now() - begun - told.encode_ms - told.picture_ms);
    return { ...(await this.embed(data, told)), encodeMs: told.encode_ms, networkMs };
  }

  /** Take an embedding: its bytes, which are given away, and what /api/encode says of it. */
  async embed(data, told) {
    this.#key += 1;
    const key = this.#key;
    await this.#calls.call("embed", { key, data, told }, [data]);
    return { key, placement: new Placement(told) };
  }

  /**
   * Decode a prompt, in pixels of the encoded picture.
   * `like`, a mask of `decode`, asks for the one that is most like it in size; `likeness` says how much, 0 to 1.
   */
  decode(embedding, { points = [], labels = null, box = null, like = null }) {
    return this.#calls.call("decode", { key: embedding.key, points, labels, box, like });
  }

  close() {
    this.#calls.close();
  }
}

async function bestProvider() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  const software = adapter?.isFallbackAdapter ?? adapter?.info?.isFallbackAdapter ?? true;
  if (!adapter || software) return "wasm";
  const there = await fetch("/vendor/ort.webgpu.min.mjs", { method: "HEAD" }).catch(() => null);
  return there?.ok ? "webgpu" : "wasm";
}

async function refusal(response) {
  const { error } = await response.json().catch(() => ({ error: null }));
  return new Error(error?.message ?? `${response.status} ${response.statusText}`);
}
