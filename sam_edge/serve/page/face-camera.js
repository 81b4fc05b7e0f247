// The camera that looks at the person: a small preview, and its pictures as JPEG.

const WANTED = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };
const QUALITY = 0.92;
const LONG_SIDE_PX = 1280;
const EVERY_MS = 30;

/** Plays in `video`; tells "face" with `{ms}` when a new picture is there, "lost" when the camera is gone. */
export class FaceCamera extends EventTarget {
  #video;
  #worker = null;
  #stream = null;
  #watching = 0;
  #last = 0;
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
    const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" };
    const stream = await navigator.mediaDevices.getUserMedia({ video: { ...WANTED, ...which }, audio: false });
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
    this.#watching += 1;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
    this.#worker?.terminate();
    this.#worker = null;
    this.#encoding = false;
  }

  /** Every camera there is, as `{deviceId, label}`. */
  async cameras() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.filter(({ kind, deviceId }) => kind === "videoinput" && deviceId);
  }

  /** The picture that is shown now, as `{blob, width, height}`; null while another is being made. */
  async capture() {
    const worker = this.#worker;
    const [videoWidth, videoHeight] = this.size;
    if (this.#encoding || !worker || !videoWidth || this.#video.readyState < 2) return null;
    this.#encoding = true;
    try {
      const scale = Math.min(1, LONG_SIDE_PX / Math.max(videoWidth, videoHeight));
      const [width, height] = [Math.round(videoWidth * scale), Math.round(videoHeight * scale)];
      const picture = await createImageBitmap(this.#video, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
      if (worker !== this.#worker) return null;
      worker.postMessage({ picture, width, height, quality: QUALITY }, [picture]);
      return await new Promise((resolve) => { worker.onmessage = ({ data }) => resolve(data); });
    } finally {
      if (worker === this.#worker) this.#encoding = false;
    }
  }

  #watch() {
    this.#watching += 1;
    const mine = this.#watching;
    const step = (now, told) => {
      if (mine !== this.#watching) return;
      const taken = told?.captureTime ?? now;
      const ms = taken > now - 1000 && taken <= performance.now() ? taken : now;
      if (ms - this.#last >= EVERY_MS) {
        this.#last = ms;
        this.dispatchEvent(new CustomEvent("face", { detail: { ms } }));
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
