// The scene: a camera, a video file, or the demo clip. All play in one <video>.

const LONG_SIDE_PX = 800;

/** Plays a source in `video` and emits "frame" for each shown frame, "change" and "lost". */
export class SceneCamera extends EventTarget {
  #video;
  #worker = new Worker(new URL("./capture-worker.js", import.meta.url), { type: "module" });
  #stream = null;
  #fileUrl = null;
  #generation = 0;
  #encoding = false;

  constructor(video) {
    super();
    this.#video = video;
    this.source = "none";
    this.playing = false;
    video.addEventListener("playing", () => this.#setPlaying(true));
    for (const name of ["pause", "ended", "emptied"]) video.addEventListener(name, () => this.#setPlaying(false));
  }

  /** Width and height of captured frames. */
  get size() {
    const { videoWidth, videoHeight } = this.#video;
    const scale = Math.min(1, LONG_SIDE_PX / Math.max(videoWidth, videoHeight, 1));
    return [Math.round(videoWidth * scale), Math.round(videoHeight * scale)];
  }

  /** Device id of the camera; empty for a file. */
  get deviceId() {
    return this.#stream?.getVideoTracks()[0]?.getSettings().deviceId ?? "";
  }

  async openCamera({ facing = "environment" } = {}) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("Cameras work on localhost and over HTTPS only.");
    }
    const wanted = { width: { ideal: 960 }, height: { ideal: 540 }, frameRate: { ideal: 30 }, facingMode: facing };
    const stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    this.stop();
    this.#stream = stream;
    stream.getVideoTracks()[0].addEventListener("ended", () => this.dispatchEvent(new Event("lost")));
    this.#video.srcObject = stream;
    await this.#play("camera");
  }

  async openFile(file) {
    this.stop();
    this.#fileUrl = URL.createObjectURL(file);
    await this.#openUrl(this.#fileUrl, "file");
  }

  async openDemo() {
    this.stop();
    await this.#openUrl("/demo.mp4", "demo");
  }

  async #openUrl(url, source) {
    this.#video.src = url;
    this.#video.loop = true;
    await this.#play(source);
  }

  async #play(source) {
    this.#video.muted = true;
    await this.#video.play();
    this.source = source;
    this.#watch();
  }

  pause() {
    this.#video.pause();
  }

  resume() {
    return this.#video.play();
  }

  stop() {
    this.#generation += 1;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
    this.#video.removeAttribute("src");
    this.#video.loop = false;
    if (this.#fileUrl) URL.revokeObjectURL(this.#fileUrl);
    this.#fileUrl = null;
    this.source = "none";
  }

  /** The image shown now as a JPEG, `{blob, width, height}`; null without an image or while another one is encoded. */
  async capture() {
    const [width, height] = this.size;
    if (this.#encoding || !width || this.#video.readyState < 2) return null;
    this.#encoding = true;
    try {
      const options = { resizeWidth: width, resizeHeight: height, resizeQuality: "medium" };
      const image = await createImageBitmap(this.#video, options);
      this.#worker.postMessage({ image, width, height }, [image]);
      return await new Promise((resolve) => { this.#worker.onmessage = ({ data }) => resolve(data); });
    } finally {
      this.#encoding = false;
    }
  }

  /** The image shown now as a bitmap whose longer side has `longSide` pixels; null without an image. */
  thumbnail(longSide) {
    const [width, height] = this.size;
    if (!width || this.#video.readyState < 2) return null;
    const scale = longSide / Math.max(width, height);
    const [resizeWidth, resizeHeight] = [Math.round(width * scale), Math.round(height * scale)];
    return createImageBitmap(this.#video, { resizeWidth, resizeHeight, resizeQuality: "medium" });
  }

  // "frame" events have the time at which the frame is shown: the person reacts to what is on the screen.
  #watch() {
    this.#generation += 1;
    const generation = this.#generation;
    const step = (now) => {
      if (generation !== this.#generation) return;
      this.dispatchEvent(new CustomEvent("frame", { detail: { ms: now } }));
      this.#next(step);
    };
    this.#next(step);
  }

  #next(step) {
    if (this.#video.requestVideoFrameCallback) this.#video.requestVideoFrameCallback(step);
    else requestAnimationFrame(step);
  }

  #setPlaying(playing) {
    this.playing = playing;
    this.dispatchEvent(new Event("change"));
  }
}
