/** A client of `sam-edge serve`. Fields are those of docs/reference/protocol.md. Client times are ns of `performance.now()`. */

/** Milliseconds of `performance.now()` as whole nanoseconds. */
export function nsOf(ms: number): bigint;
/** Nanoseconds as milliseconds. */
export function msOf(ns: bigint): number;

export type Point = [x: number, y: number];
export type Vector = [x: number, y: number, z: number];
export type Quaternion = [x: number, y: number, z: number, w: number];
export type State = "none" | "hover" | "focused" | "held" | "lost";
/** How the mask was made. */
export type Origin = "none" | "encoded" | "reused" | "propagated" | "followed";
export type MaskFormat = "none" | "runs" | "png" | "coco";
export type ImageFormat = "jpeg" | "rgb" | "nv12" | "rgba";
export type Space = "head" | "world" | "camera";

export interface MaskOptions {
  /** Default: runs. */
  maskFormat?: MaskFormat;
  /** Whether selections contain polygons. Default: false. */
  polygons?: boolean;
  /** Largest distance of polygons from the mask's edge, pixels. Default: 1. */
  tolerancePx?: number;
}

export interface ClientOptions extends MaskOptions {
  /** Frame pixels per degree of visual angle. Default 0: the server decides. */
  pxPerDeg?: number;
  /** Input size of the encoder. Default null: the server decides. */
  size?: [width: number, height: number] | null;
  token?: string;
  /** One of the engines in `/api/info`. Default: the server's default engine. */
  engine?: string;
  /** The client's name, for logs. */
  name?: string;
  /** Whether selections have labels and events. Default: false. Servers without the key `objects` in `/api/info` refuse it. */
  objects?: boolean;
  /** Whether selections say that they are not confirmed. Default: false. Servers without the key `confirmation` in `/api/info` refuse it. */
  confirmation?: boolean;
  /** WebSocket class to use instead of the browser's. */
  WebSocket?: typeof WebSocket;
}

export interface Intrinsics {
  focalPx: Point;
  /** Principal point, pixels; the first pixel's centre is at 0.5. */
  centerPx: Point;
  /** k1, k2, p1, p2, k3. */
  distortion?: [number, number, number, number, number];
}

/** An image of the scene camera. */
export interface SceneFrame {
  /** Capture time, later than that of the previous frame. */
  timeNs: bigint;
  /** Default: jpeg. */
  format?: ImageFormat;
  width: number;
  height: number;
  data: ArrayBuffer | Uint8Array;
  intrinsics?: Intrinsics | null;
  /** Raw images only: the first row is the lowest one. */
  bottomUp?: boolean;
}

export interface GazeSample {
  timeNs: bigint;
  /** Frame pixels; NaN without gaze. */
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
  /** Metres from the origin to the point of regard; NaN: unknown. */
  depthM?: number;
  /** Position of the head in the world, metres; for the space world only. */
  headPosition?: Vector;
  headOrientation?: Quaternion;
}

export interface RayOptions {
  /** +y down, +z forward instead of OpenXR's axes. */
  cameraAxes?: boolean;
  /** Space of origin and direction. Default: head. */
  space?: Space;
}

/** The camera into which rays are projected. */
export interface CameraSetup extends Intrinsics {
  width: number;
  height: number;
  /** Position on the head, metres. */
  position?: Vector;
  orientation?: Quaternion;
  /** Depth of rays without a depth, metres. Default: 2. */
  distanceM?: number;
  cameraAxes?: boolean;
}

export interface PinOptions extends RayOptions {
  /** Time of the person's decision. Default: now. */
  atNs?: bigint | null;
  /** Pin the object at this point, frame pixels. */
  point?: Point | null;
  /** Pin the object on this ray. */
  ray?: Ray | null;
}

export interface Mask {
  format: MaskFormat;
  /** Bounding rectangle of the mask, frame pixels. */
  x: number;
  y: number;
  width: number;
  height: number;
  data: Uint8Array;
}

/** What happened to an object; "other" stands for a kind of a later version. */
export type EventKind = "new" | "returned" | "merged" | "forgotten" | "renamed" | "other";

export interface ObjectEvent {
  kind: EventKind;
  /** Time of the newest frame then. */
  timeNs: bigint;
  /** Of two that were merged, the number that is kept. */
  objectId: number;
  /** Of two that were merged, the number that is no longer used; else null. */
  otherId: number | null;
  /** The object's label after the event. */
  label: string | null;
}

/** An object of the session's memory. */
export interface KnownObject {
  objectId: number;
  label: string | null;
  firstSeenNs: bigint;
  lastSeenNs: bigint;
  /** For how long gaze has rested on it, all visits together. */
  dwellMs: number;
  visits: number;
  pinned: boolean;
  /** Where it was last seen, frame pixels. */
  box: [x0: number, y0: number, x1: number, y1: number];
}

export interface SelectedObject {
  objectId: number;
  /** Null without a label, and before the first command about objects. */
  label: string | null;
  /** The gaze is on it now. */
  gazeTarget: boolean;
  pinned: boolean;
  /** Predicted IoU. */
  score: number;
  box: [x0: number, y0: number, x1: number, y1: number];
  areaPx: number;
  mask: Mask;
  /** Vertices x, y, x, y, ... in frame pixels. */
  polygons: Float32Array[];
}

/** The objects selected in one frame. */
export interface FrameSelection {
  kind: "selection";
  frameId: number;
  timeNs: bigint;
  receivedNs: bigint;
  sentNs: bigint;
  session: number;
  width: number;
  height: number;
  state: State;
  origin: Origin;
  /** How much older than this frame the frame is on which the mask was decoded. */
  ageMs: number;
  /** Where the gaze rests, frame pixels; null while it moves. */
  fixation: { x: number; y: number; spread: number } | null;
  stages: Record<string, number>;
  objects: SelectedObject[];
  /** False while the gaze target looks like background and one dwell alone is on it: outline it, do not fill it. True without `confirmation`. */
  confirmed: boolean;
  /** What happened to objects since the selection before; empty before the first command about objects. */
  events: ObjectEvent[];
  /** From the frame's capture to this event, ms. */
  totalMs: number;
  /** From the server to this client, ms; null before the clocks are synchronized. */
  downMs: number | null;
}

export interface Welcome {
  kind: "welcome";
  clientId: number;
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

/** The screen that the person looks at, in pixels that the client chooses: CSS pixels in a page. */
export interface Screen {
  width: number;
  height: number;
  /** Width of the screen in millimetres; an estimate is enough. */
  widthMm: number;
  /** Distance of the webcam above the screen's upper edge. Default: 8. */
  cameraAboveMm?: number;
  /** Distance of the webcam to the right of the screen's centre. Default: 0. */
  cameraAsideMm?: number;
  /** Diagonal field of view of the webcam. Default: 78. */
  fovDeg?: number;
}

/** A webcam image of the person. */
export interface FaceFrame {
  /** Capture time, later than that of the previous face frame. */
  timeNs: bigint;
  width: number;
  height: number;
  /** A JPEG, not mirrored. */
  data: ArrayBuffer | Uint8Array;
}

/** Where frames are shown on the screen. */
export interface Viewport {
  /** Top left corner of the frames, screen pixels. */
  x: number;
  y: number;
  /** Screen pixels per frame pixel. */
  scaleX: number;
  scaleY: number;
}

export interface CalibrationTarget {
  /** The person looks at the target from this time on. */
  timeNs: bigint;
  /** Screen pixels. */
  x: number;
  y: number;
  /** The target measures the calibration's accuracy; the calibration is not fitted to it. */
  validation?: boolean;
}

export interface Click {
  timeNs: bigint;
  /** Screen pixels. */
  x: number;
  y: number;
  /** Size of the clicked object, screen pixels. Default 0: a point. */
  sizePx?: number;
}

export type CalibrationAction = "start" | "finish" | "cancel" | "restore";

/** Where the person looks, estimated from one face frame. */
export interface GazeEstimate {
  kind: "gaze_estimate";
  faceFrameId: number;
  timeNs: bigint;
  /** Screen pixels; null during blinks, without a face, and before the face's shape is known. */
  gaze: { x: number; y: number; confidence: number; covariance: [xx: number, xy: number, yy: number] } | null;
  /** Box and irises in pixels of the face frame; null without a face. */
  face: { box: [x0: number, y0: number, x1: number, y1: number]; irises: [Point, Point]; distanceMm: number } | null;
  blinking: boolean;
  calibrated: boolean;
  /** How much of the face's shape is known, 0 to 1. */
  faceModelProgress: number;
  /** From the face frame's arrival at the server to this estimate. */
  latencyMs: number;
}

export interface TargetProgress {
  kind: "target_progress";
  targetId: number;
  state: "collecting" | "collected" | "unsteady";
  validSamples: number;
  /** Share of the steady gaze that is needed, 0 to 1. */
  progress: number;
}

export interface CalibrationResult {
  kind: "calibration_result";
  action: CalibrationAction;
  accuracyPx: number;
  accuracyDeg: number;
  worstDeg: number;
  noiseDeg: number;
  pxPerDeg: number;
  targets: { targetId: number; validation: boolean; rejected: boolean; x: number; y: number; gazeX: number; gazeY: number }[];
  /** For a later `calibrate("restore", calibration)`. */
  calibration: string;
}

export interface Grant { kind: "grant"; window: number; framesPerS: number }
export interface SkippedFrame { kind: "skipped"; frameId: number; reason: "replaced" | "reset" | "too_soon" | "other" }
export interface CommandResult { kind: "command_result"; commandId: number; action: "pin" | "unpin" | "reset"; objectId: number }
export interface ObjectList { kind: "object_list"; commandId: number; session: number; objects: KnownObject[] }
/** The client joins it to its selection: see `confirmed`. */
export interface Unconfirmed { kind: "unconfirmed"; frameId: number; objectId: number }
/** The client adds it to the selection of the same frame. */
export interface ObjectInfo { kind: "object_info"; frameId: number; labels: Map<number, string>; events: ObjectEvent[] }
export interface Pong { kind: "pong"; pingId: number; t0: bigint; t1: bigint; t2: bigint }
export interface ErrorReply {
  kind: "error";
  /** Whether the connection ends with this error. */
  fatal: boolean;
  code: number;
  name: string;
  /** Kind and number of the message that caused the error; 0 if there is none. */
  aboutKind: number;
  aboutId: number;
  message: string;
}

export type ServerMessage =
  | Omit<FrameSelection, "totalMs" | "downMs"> | Welcome | Grant | SkippedFrame | CommandResult | Pong | ErrorReply
  | GazeEstimate | TargetProgress | CalibrationResult | ObjectList | ObjectInfo;

export type ConnectionState =
  | { state: "closed" }
  | { state: "connecting"; tries: number }
  | ({ state: "open" } & Welcome)
  | { state: "waiting"; reason: string; code: number; waitMs: number; tries: number }
  | { state: "refused"; reason: string; code: number };

export interface ClientEvents {
  state: CustomEvent<ConnectionState>;
  welcome: CustomEvent<Welcome>;
  selection: CustomEvent<FrameSelection>;
  grant: CustomEvent<Grant>;
  skipped: CustomEvent<SkippedFrame>;
  command_result: CustomEvent<CommandResult>;
  object_list: CustomEvent<ObjectList>;
  gaze_estimate: CustomEvent<GazeEstimate>;
  target_progress: CustomEvent<TargetProgress>;
  calibration_result: CustomEvent<CalibrationResult>;
  error: CustomEvent<ErrorReply>;
}

export class SamEdgeClient extends EventTarget {
  /** `url` is that of the WebSocket: `ws://127.0.0.1:8765/api/stream`. Call `connect` to open it. */
  constructor(url: string, options?: ClientOptions);
  readonly state: ConnectionState["state"];
  /** The server's first message; null before the first connection. */
  readonly welcome: Welcome | null;
  /** Most unanswered frames; 0 without a connection. */
  readonly window: number;
  /** Frame rate that the server asks for; 0: no limit. */
  readonly framesPerS: number;
  /** Server's minus client's clock; null before the first pong. */
  readonly clock: { offsetNs: bigint; uncertaintyNs: bigint } | null;
  /** Whether the server accepts another frame now. */
  readonly ready: boolean;
  /** Frames sent and not yet answered. */
  readonly inFlight: number;
  /** Connect, and reconnect with growing pauses until `close`. */
  connect(): void;
  close(): void;
  /** Change options. A new engine, size or token opens a new connection. */
  configure(changes: ClientOptions): void;
  /** Send a frame, or keep it as the newest until the server accepts one. Returns its number; 0 if it was not taken. */
  sendFrame(frame: SceneFrame): number;
  sendGaze(samples: GazeSample[]): void;
  /** Call `setCamera` first. */
  sendRays(rays: Ray[], options?: RayOptions): void;
  setCamera(camera: CameraSetup): void;
  /** Pin an object. Resolves to its number; 0 if there was none. */
  pin(options?: PinOptions): Promise<number>;
  /** Unpin one object, or all of them (0). */
  unpin(objectId?: number): Promise<number>;
  /** Start a new session: forget all objects. */
  reset(): Promise<number>;
  /** The known objects. Rejects with the server's error. From the first call on, selections have labels and events. */
  listObjects(): Promise<KnownObject[]>;
  /** Give an object a label; null takes it away. Resolves to the known objects. */
  rename(objectId: number, label: string | null): Promise<KnownObject[]>;
  /** Make one object of two; the first one's number is kept. Resolves to the known objects. */
  merge(objectId: number, otherId: number): Promise<KnownObject[]>;
  /** Forget an object, and unpin it. Resolves to the known objects. */
  forget(objectId: number): Promise<KnownObject[]>;
  /** Start webcam gaze; null stops it. Ask the person first. */
  setWebcam(screen: Screen | null): void;
  /** Whether the server accepts another face frame now. */
  readonly faceFrameReady: boolean;
  /** Send a face frame. Returns its number; 0 if it was not sent. */
  sendFaceFrame(frame: FaceFrame): number;
  setViewport(viewport: Viewport): void;
  /** Rejects with the server's error. */
  calibrate(action: CalibrationAction, calibration?: string): Promise<CalibrationResult>;
  /** Collect gaze at a target. `target_progress` events follow. */
  collectTarget(targetId: number, target: CalibrationTarget): void;
  /** Report a click on something that the person looked at: it corrects the drift of the gaze. */
  reportClick(click: Click): void;
  /** Convert a time of the server's clock to this client's clock; null before the first pong. */
  toClientTime(ns: bigint): bigint | null;
  addEventListener<Name extends keyof ClientEvents>(
    type: Name, listener: (event: ClientEvents[Name]) => void, options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions,
  ): void;
}

/** Read a message of the server. Throws a RangeError for anything that is not a message of this version. */
export function decodeMessage(buffer: ArrayBuffer): ServerMessage;
/** Run lengths of a mask in the format runs: outside and inside in turn, along the rows of the mask's rectangle. */
export function runsOf(mask: Mask): Uint32Array;
/** Expand a mask in the format runs to one byte per pixel of its rectangle: 1 on the object, 0 outside. */
export function fillRuns(mask: Mask, out?: Uint8Array): Uint8Array;
