/** A client of `sam-edge serve`. Fields are those of docs/protocol.md; times of a client are ns of `performance.now()`. */

/** Milliseconds of `performance.now()` as whole nanoseconds. */
export function nsOf(ms: number): bigint;
/** Nanoseconds as milliseconds. */
export function msOf(ns: bigint): number;

export type Point = [x: number, y: number];
export type Vector = [x: number, y: number, z: number];
export type Quaternion = [x: number, y: number, z: number, w: number];
export type State = "none" | "hover" | "selected" | "held" | "lost";
export type Source = "none" | "encoded" | "reused" | "propagated";
export type MaskFormat = "none" | "runs" | "png" | "coco";
export type PictureFormat = "jpeg" | "rgb" | "nv12" | "rgba";
export type Space = "head" | "world" | "camera";

export interface Wanted {
  /** How masks are written; runs unless given. */
  masks?: MaskFormat;
  /** Whether polygons come along. */
  polygons?: boolean;
  /** How far polygons may be off, pixels. */
  tolerancePx?: number;
}

export interface Options extends Wanted {
  /** Pixels in a degree of visual angle; 0 leaves it to the server. */
  pxPerDegree?: number;
  /** The encoder's input, width and height; null leaves it to the server. */
  size?: [width: number, height: number] | null;
  token?: string;
  /** One of `/api/info`'s engines; empty for the server's own choice. */
  engine?: string;
  /** The client's name, for people. */
  name?: string;
  /** Another implementation than the browser's. */
  WebSocket?: typeof WebSocket;
}

export interface Intrinsics {
  /** Focal length x and y, pixels. */
  focal: Point;
  /** Principal point, pixels; the first pixel's centre at 0.5. */
  centre: Point;
  /** k1, k2, p1, p2, k3. */
  distortion?: [number, number, number, number, number];
}

export interface Frame {
  /** Later than that of the frame before. */
  timeNs: bigint;
  /** jpeg unless given. */
  format?: PictureFormat;
  width: number;
  height: number;
  data: ArrayBuffer | Uint8Array;
  intrinsics?: Intrinsics | null;
  /** Raw pictures whose first row is the lowest. */
  flipped?: boolean;
}

export interface GazeSample {
  timeNs: bigint;
  /** Frame pixels; NaN while there is no gaze. */
  x: number;
  y: number;
  confidence?: number;
  /** xx, xy, yy, square pixels. */
  covariance?: [number, number, number];
}

export interface Ray {
  timeNs: bigint;
  direction: Vector;
  origin?: Vector;
  confidence?: number;
  /** Metres from the origin to the point of regard. */
  distance?: number;
  /** Position of the head in the world; needed in the space world alone. */
  head?: Vector;
  orientation?: Quaternion;
}

export interface RayOptions {
  /** +y down, +z forward instead of OpenXR's axes. */
  cameraAxes?: boolean;
  /** Space of origin and direction; head unless given. */
  space?: Space;
}

export interface CameraPose extends Intrinsics {
  width: number;
  height: number;
  position?: Vector;
  orientation?: Quaternion;
  /** Metres at which a ray without a depth meets the picture; 2 unless given. */
  distance?: number;
  cameraAxes?: boolean;
}

export interface SelectOptions extends RayOptions {
  /** The time of the decision; now unless given. */
  atNs?: bigint | null;
  /** What is at this point, frame pixels. */
  point?: Point | null;
  /** What is in this ray. */
  ray?: Ray | null;
}

export interface Mask {
  format: MaskFormat;
  /** The rectangle that the mask covers, pixels. */
  x: number;
  y: number;
  width: number;
  height: number;
  data: Uint8Array;
}

export interface Thing {
  objectId: number;
  /** Meant now. */
  meant: boolean;
  /** Selected on purpose. */
  kept: boolean;
  /** Predicted IoU. */
  score: number;
  box: [x0: number, y0: number, x1: number, y1: number];
  areaPx: number;
  mask: Mask;
  /** Each x, y, x, y, ... in pixels. */
  polygons: Float32Array[];
}

export interface Selection {
  kind: "selection";
  frameId: number;
  timeNs: bigint;
  receivedNs: bigint;
  sentNs: bigint;
  session: number;
  width: number;
  height: number;
  state: State;
  source: Source;
  ageMs: number;
  rest: { x: number; y: number; spread: number } | null;
  stages: Record<string, number>;
  objects: Thing[];
  /** From the frame's capture until now, ms. */
  totalMs: number;
  /** From the server to here, ms; null before the clocks are related. */
  downMs: number | null;
}

export interface Welcome {
  kind: "welcome";
  client: number;
  version: number;
  lowest: number;
  highest: number;
  serverNs: bigint;
  limits: { frameBytes: number; framePixels: number; framesPerS: number };
  window: number;
  idleS: number;
  size: [width: number, height: number] | null;
  server: string;
  model: string;
  engine: string;
  precision: string;
}

/** What the person looks at, in pixels that the client chooses: CSS pixels in a page. */
export interface Screen {
  width: number;
  height: number;
  /** Width of the screen in millimetres; a guess will do. */
  widthMm: number;
  /** How far the camera is above the screen's upper edge; 8 unless given. */
  cameraAboveMm?: number;
  /** How far it is to the right of the screen's middle; 0 unless given. */
  cameraAsideMm?: number;
  /** How wide it sees along the diagonal; 78 unless given. */
  fovDeg?: number;
}

/** A picture of the person. */
export interface Face {
  /** Later than that of the face before. */
  timeNs: bigint;
  width: number;
  height: number;
  /** A JPEG, not mirrored. */
  data: ArrayBuffer | Uint8Array;
}

/** Where frames are shown on the screen. */
export interface Stage {
  /** Their top left corner, screen pixels. */
  x: number;
  y: number;
  /** Screen pixels in one pixel of a frame. */
  scaleX: number;
  scaleY: number;
}

export interface Target {
  /** From when on the person looks at it. */
  timeNs: bigint;
  /** Screen pixels. */
  x: number;
  y: number;
  /** Whether it only tells how good the calibration is. */
  check?: boolean;
}

export interface Click {
  timeNs: bigint;
  /** Screen pixels. */
  x: number;
  y: number;
  /** How large the thing is that was selected. */
  sizePx?: number;
}

export type CalibrationAction = "begin" | "finish" | "abandon" | "restore";

/** Where the person looked in one picture of their face. */
export interface Sight {
  kind: "sight";
  faceId: number;
  timeNs: bigint;
  /** Screen pixels; null in a blink, without a face, and while its shape is learned. */
  gaze: { x: number; y: number; confidence: number; covariance: [xx: number, xy: number, yy: number] } | null;
  /** Box and irises in pixels of the picture; null without a face. */
  face: { box: [x0: number, y0: number, x1: number, y1: number]; irises: [Point, Point]; distanceMm: number } | null;
  blinking: boolean;
  calibrated: boolean;
  /** How much of the face's shape is known, 0 to 1. */
  learned: number;
  tookMs: number;
}

export interface Aimed {
  kind: "aimed";
  target: number;
  state: "collecting" | "seen" | "unsteady";
  samples: number;
  progress: number;
}

export interface Calibrated {
  kind: "calibrated";
  action: CalibrationAction;
  accuracyPx: number;
  accuracyDeg: number;
  worstDeg: number;
  noiseDeg: number;
  pxPerDegree: number;
  targets: { target: number; check: boolean; rejected: boolean; x: number; y: number; gazeX: number; gazeY: number }[];
  /** For `calibrate("restore", kept)`, later. */
  kept: string;
}

export interface Grant { kind: "grant"; window: number; framesPerS: number }
export interface Skipped { kind: "skipped"; frameId: number; why: "replaced" | "restarted" | "too soon" | "other" }
export interface Triggered { kind: "triggered"; triggerId: number; action: "select" | "release" | "restart"; objectId: number }
export interface Pong { kind: "pong"; id: number; t0: bigint; t1: bigint; t2: bigint }
export interface Fault {
  kind: "error";
  id: number;
  /** Whether the connection ends with it. */
  fatal: boolean;
  code: number;
  name: string;
  /** Kind of the message at fault. */
  about: number;
  message: string;
}

export type Answer = Omit<Selection, "totalMs" | "downMs"> | Welcome | Grant | Skipped | Triggered | Pong | Fault | Sight | Aimed | Calibrated;

export type Connection =
  | { state: "closed" }
  | { state: "connecting"; tries: number }
  | ({ state: "open" } & Welcome)
  | { state: "waiting"; reason: string; code: number; waitMs: number; tries: number }
  | { state: "refused"; reason: string; code: number };

export interface ClientEvents {
  state: CustomEvent<Connection>;
  welcome: CustomEvent<Welcome>;
  selection: CustomEvent<Selection>;
  grant: CustomEvent<Grant>;
  skipped: CustomEvent<Skipped>;
  triggered: CustomEvent<Triggered>;
  sight: CustomEvent<Sight>;
  aimed: CustomEvent<Aimed>;
  calibrated: CustomEvent<Calibrated>;
  error: CustomEvent<Fault>;
}

export class SamEdgeClient extends EventTarget {
  /** `url` is the WebSocket's: `ws://127.0.0.1:8765/api/stream`. Nothing is connected yet. */
  constructor(url: string, options?: Options);
  readonly state: Connection["state"];
  /** What the server said first; null before. */
  readonly welcome: Welcome | null;
  /** Most frames unanswered; 0 without a connection. */
  readonly window: number;
  /** Frames a second that make sense now; 0: no advice. */
  readonly framesPerS: number;
  /** Server's minus client's clock, as far as it is known. */
  readonly clock: { offsetNs: bigint; uncertaintyNs: bigint } | null;
  /** Whether the server takes another frame now. */
  readonly ready: boolean;
  /** Frames sent and not yet answered. */
  readonly inFlight: number;
  /** Connect, and again with growing pauses whenever the connection is lost, until `close`. */
  connect(): void;
  close(): void;
  /** Change what was asked for. Engine, size and token take effect with a new connection. */
  configure(changes: Options): void;
  /** Send a frame, or keep it as the newest until the server wants one. Returns its number; 0 where it was not taken. */
  frame(frame: Frame): number;
  gaze(samples: GazeSample[]): void;
  /** Needs `camera` first. */
  rays(rays: Ray[], options?: RayOptions): void;
  camera(camera: CameraPose): void;
  /** Keep a thing. Resolves to its number, or 0 where there was nothing to keep. */
  select(options?: SelectOptions): Promise<number>;
  /** Let go of one thing, or of all. */
  release(objectId?: number): Promise<number>;
  /** Forget everything. */
  restart(): Promise<number>;
  /** Let a camera that looks at the person be watched, or end it. Ask the person first. */
  eye(screen: Screen | null): void;
  /** Whether the server takes another face now. */
  readonly faceReady: boolean;
  /** Send a face. Returns its number; 0 where it was not taken. */
  face(face: Face): number;
  stage(place: Stage): void;
  /** Rejects with the server's reason. */
  calibrate(action: CalibrationAction, kept?: string): Promise<Calibrated>;
  target(number: number, target: Target): void;
  /** What was clicked was looked at. */
  clicked(click: Click): void;
  /** A time of the server's clock on this client's; null before the clocks are related. */
  fromServer(ns: bigint): bigint | null;
  addEventListener<Name extends keyof ClientEvents>(
    type: Name, listener: (event: ClientEvents[Name]) => void, options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions,
  ): void;
}

/** Read a message of the server. Throws a RangeError where it is none of this version. */
export function decodeMessage(buffer: ArrayBuffer): Answer;
/** The run lengths of a mask of the format runs, in turn outside and inside, along the rows of its rectangle. */
export function runsOf(mask: Mask): Uint32Array;
/** Fill a mask of the format runs into bytes of its rectangle: 1 on the thing, 0 beside it. */
export function fillRuns(mask: Mask, out?: Uint8Array): Uint8Array;
