// The webcam that sees the person's face: a preview, and its images as JPEG.

const CONSTRAINTS = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };
const JPEG_QUALITY = 0.92;
const LONG_SIDE_PX = 1280;
const MIN_INTERVAL_MS = 30;

/** Plays in `video`. Emits "frame" with `{ms}` for each new image, and "lost" when the camera is disconnected. */
export class FaceCamera extends EventTarget {
  #video;
  #worker = null;
  #stream = null;
  #generation = 0;
  #lastMs = 0;
  #encoding = false;

  constructor(video) {
    super();
    this.#video = video;
  }

  /** The stream, for another <video>; null while the camera is off. */
  get stream() {
    return this.#stream;
  }

  get deviceId() {
    return this.#stream?.getVideoTracks()[0]?.getSettings().deviceId ?? "";
  }

  get size() {
    return [this.#video.videoWidth, this.#video.videoHeight];
  }

  async open(deviceId = "") {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("Cameras work on localhost and over HTTPS only.");
    }
    const device = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" };
    const stream = await navigator.mediaDevices.getUserMedia({ video: { ...CONSTRAINTS, ...device }, audio: false });
    this.stop();
    this.#stream = stream;
    stream.getVideoTracks()[0].addEventListener("ended", () => this.dispatchEvent(new Event("lost")));
    this.#worker = new Worker(new URL("./capture-worker.js", import.meta.url), { type: "module" });
    this.#video.srcObject = stream;
    this.#video.muted = true;
    await this.#video.play();
    this.#watch();
  }

  stop() {
    this.#generation += 1;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
    this.#worker?.terminate();
    this.#worker = null;
    this.#encoding = false;
  }

  /** All cameras, as `{deviceId, label}`. */
  async cameras() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.filter(({ kind, deviceId }) => kind === "videoinput" && deviceId);
  }

  /** The image shown now as a JPEG, `{blob, width, height}`; null without an image or while another one is encoded. */
  async capture() {
    const worker = this.#worker;
    const [videoWidth, videoHeight] = this.size;
    if (this.#encoding || !worker || !videoWidth || this.#video.readyState < 2) return null;
    this.#encoding = true;
    try {
      const scale = Math.min(1, LONG_SIDE_PX / Math.max(videoWidth, videoHeight));
      const [width, height] = [Math.round(videoWidth * scale), Math.round(videoHeight * scale)];
      const image = await createImageBitmap(this.#video, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
      if (worker !== this.#worker) return null;
      worker.postMessage({ image, width, height, quality: JPEG_QUALITY }, [image]);
      return await new Promise((resolve) => { worker.onmessage = ({ data }) => resolve(data); });
    } finally {
      if (worker === this.#worker) this.#encoding = false;
    }
  }

  #watch() {
    this.#generation += 1;
    const generation = this.#generation;
    const step = (now, metadata) => {
      if (generation !== this.#generation) return;
      const captured = metadata?.captureTime ?? now;
      const ms = captured > now - 1000 && captured <= performance.now() ? captured : now;
      if (ms - this.#lastMs >= MIN_INTERVAL_MS) {
        this.#lastMs = ms;
        this.dispatchEvent(new CustomEvent("frame", { detail: { ms } }));
      }
      this.#next(step);
    };
    this.#next(step);
  }

  #next(step) {
    if (this.#video.requestVideoFrameCallback) this.#video.requestVideoFrameCallback(step);
    else requestAnimationFrame(step);
  }
}
