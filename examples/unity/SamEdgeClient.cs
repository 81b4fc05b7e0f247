// A client of `sam-edge serve` for Unity, after docs/protocol.md, version 2. One file; needs no packages besides Unity's own.
//
// Add it to a game object, set the address, and call it from your own scripts:
//
//     client.SetCamera(width, height, fx, fy, cx, cy, cameraPositionOnHead, cameraRotationOnHead);
//     client.AddRay(timeNs, origin, direction, confidence);      // for each sample of the eye tracker, in head space
//     if (client.WantsFrame) client.SendJpeg(jpeg, width, height, timeNs);
//     client.Pin(timeNs);                                         // at a pinch: pins the gaze target
//     client.PinOnRay(ray.origin, ray.direction, timeNs);         // without eye tracking: pins the object on a ray
//     client.SelectionReceived += selection => Draw(selection);   // on Unity's main thread
//     client.Rename(objectId, "cup");                             // its label comes with every selection from then on
//
// Times are nanoseconds of one clock: NowNs(). Unity's axes are +x right, +y up, +z forward; the wire's are OpenXR's, with
// -z forward, so z is negated. WebGL builds have no ClientWebSocket: use the JavaScript client there.

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Net.WebSockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using UnityEngine;

namespace SamEdge
{
    public enum State { None = 0, Hover = 1, Focused = 2, Held = 3, Lost = 4 }

    /// <summary>How a mask was made.</summary>
    public enum Origin { None = 0, Encoded = 1, Reused = 2, Propagated = 3, Followed = 4 }

    public enum ErrorCode
    {
        Malformed = 1, UnsupportedVersion = 2, Unauthorized = 3, TooLarge = 4, InvalidImage = 5, OutOfOrder = 6,
        InvalidOption = 7, RateLimit = 8, TooManyClients = 9, Timeout = 10, EngineFailed = 11, ShuttingDown = 12,
        TooManyWebcams = 13, UnknownObject = 14
    }

    /// <summary>What happened to an object.</summary>
    public enum EventKind { New = 1, Returned = 2, Merged = 3, Forgotten = 4, Renamed = 5 }

    /// <summary>Something that happened to an object. Of two that were merged, ObjectId is kept and OtherId is no longer used.</summary>
    public sealed class ObjectEvent
    {
        public EventKind Kind;
        public long TimeNs;
        public uint ObjectId, OtherId;
        /// <summary>The object's label after the event; empty without one.</summary>
        public string Label;
    }

    /// <summary>An object that the session knows. Box: where it was last seen, in pixels of the frames.</summary>
    public sealed class KnownObject
    {
        public uint ObjectId, DwellMs, Visits;
        public bool IsPinned;
        public long FirstSeenNs, LastSeenNs;
        public Rect Box;
        public string Label;
    }

    /// <summary>One object in a selection. Pixels are those of the frames: x right, y down.</summary>
    public sealed class SelectedObject
    {
        public uint ObjectId;
        public bool IsGazeTarget, IsPinned;
        public float Score;
        public Rect Box;
        public RectInt Rectangle;
        public uint AreaPx;
        public byte[] Runs;
        /// <summary>Empty without a label, and before the first of ListObjects, Rename, Merge and Forget.</summary>
        public string Label = "";

        /// <summary>Write the mask into the bytes of an alpha texture, first row at the top: 255 on the object.</summary>
        public void Paint(byte[] alpha, int frameWidth)
        {
            bool inside = false;
            int at = 0;
            for (int run = 0; run + 4 <= Runs.Length; run += 4)
            {
                int left = (int)BitConverter.ToUInt32(Runs, run);
                while (inside && left > 0)
                {
                    int row = at / Rectangle.width, column = at % Rectangle.width;
                    int part = Math.Min(left, Rectangle.width - column);
                    int begin = (Rectangle.y + row) * frameWidth + Rectangle.x + column;
                    for (int i = begin; i < begin + part; i++) alpha[i] = 255;
                    at += part;
                    left -= part;
                }
                at += left;
                inside = !inside;
            }
        }
    }

    /// <summary>The objects selected in one frame.</summary>
    public sealed class FrameSelection
    {
        public uint FrameId, Session;
        public long FrameTimeNs, ReceivedNs, SentNs;
        public int Width, Height;
        public State State;
        public Origin Origin;
        public float AgeMs;
        public Vector3 Fixation;
        public readonly Dictionary<string, float> StagesMs = new Dictionary<string, float>();
        public readonly List<SelectedObject> Objects = new List<SelectedObject>();
        /// <summary>What happened since the selection before; empty before the first of ListObjects, Rename, Merge and Forget.</summary>
        public List<ObjectEvent> Events = new List<ObjectEvent>();
    }

    public sealed class SamEdgeClient : MonoBehaviour
    {
        const byte ProtocolVersion = 2;

        enum MessageKind : byte
        {
            Hello = 0x01, Frame = 0x02, Rays = 0x04, Camera = 0x05, Command = 0x06, Ping = 0x07, ObjectCommand = 0x0f,
            Welcome = 0x81, Selection = 0x82, Grant = 0x83, Skipped = 0x84, CommandResult = 0x85, Pong = 0x86, Error = 0x87,
            ObjectList = 0x8b, ObjectInfo = 0x8c
        }

        enum CommandAction : byte { Pin = 1, Unpin = 2 }

        enum ObjectAction : byte { List = 1, Rename = 2, Merge = 3, Forget = 4 }

        const byte MaskFormatRuns = 1, ImageFormatJpeg = 1;
        const byte AtFlag = 0x08, RayFlag = 0x20;
        const int MaxSamples = 1024;

        [SerializeField] string url = "ws://127.0.0.1:8765/api/stream";
        [SerializeField] string token = "";

        /// <summary>Raised on the main thread for every selection.</summary>
        public event Action<FrameSelection> SelectionReceived;
        /// <summary>Raised on the main thread: the command's number, and the object that was pinned or unpinned, 0 for none.</summary>
        public event Action<uint, uint> CommandAnswered;
        /// <summary>Raised on the main thread: the number of a command about objects, and the objects known after it.</summary>
        public event Action<uint, List<KnownObject>> ObjectsReceived;
        /// <summary>Raised on the main thread: the error's code (0: the network) and its message. The client reconnects by
        /// itself, except after UnsupportedVersion.</summary>
        public event Action<ErrorCode, string> ErrorReceived;

        /// <summary>Server's minus own clock, nanoseconds, from the shortest of the last round trips; null before the first.</summary>
        public long? ClockOffsetNs { get; private set; }
        /// <summary>Whether the server accepts another frame now. Keep the newest frame until then.</summary>
        public bool WantsFrame { get { lock (gate) return MaySend(); } }

        readonly object gate = new object();
        readonly HashSet<uint> inFlight = new HashSet<uint>();
        readonly ConcurrentQueue<Action> onMainThread = new ConcurrentQueue<Action>();
        readonly BlockingCollection<byte[]> outgoing = new BlockingCollection<byte[]>(256);
        readonly Queue<(long roundTrip, long offset)> pings = new Queue<(long, long)>();
        readonly MemoryStream rays = new MemoryStream();
        int raysWaiting, window;
        float maxPerS = 1f, framesPerS;
        long dueNs;
        uint lastFrameId, lastCommandId, lastPingId;
        bool welcomed;
        volatile bool unsupported;
        byte[] camera;
        // Labels and events of the next selection; used by the receiving task alone.
        uint infoFrameId;
        Dictionary<uint, string> labels;
        List<ObjectEvent> events;
        CancellationTokenSource ending;

        /// <summary>Nanoseconds of a monotonic clock: the time base of frames, gaze and commands.</summary>
        public static long NowNs() => (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));

        void OnEnable()
        {
            unsupported = false;
            ending = new CancellationTokenSource();
            _ = Task.Run(() => KeepConnected(ending.Token));
            InvokeRepeating(nameof(SendPing), 0.2f, 1f);
        }

        void OnDisable()
        {
            CancelInvoke();
            ending.Cancel();
        }

        void Update()
        {
            FlushRays();
            while (onMainThread.TryDequeue(out Action action)) action();
        }

        /// <summary>Set the camera into which rays are projected; call it again after every change.</summary>
        public void SetCamera(int width, int height, float fx, float fy, float cx, float cy,
                              Vector3 positionOnHead, Quaternion rotationOnHead, float distanceM = 2f)
        {
            camera = Message(MessageKind.Camera, 0, 0, to =>
            {
                to.Write((ushort)width); to.Write((ushort)height);
                to.Write(fx); to.Write(fy); to.Write(cx); to.Write(cy);
                for (int i = 0; i < 5; i++) to.Write(0f);
                Put(to, positionOnHead);
                Put(to, rotationOnHead);
                to.Write(distanceM);
            });
            Send(camera);
        }

        /// <summary>Add a sample of the eye tracker in head space, Unity's axes; confidence 0 while the eyes are closed.</summary>
        public void AddRay(long timeNs, Vector3 origin, Vector3 direction, float confidence = 1f, float depthM = float.NaN)
        {
            lock (rays)
            {
                if (raysWaiting == MaxSamples) return;
                var to = new BinaryWriter(rays);
                PutRay(to, timeNs, origin, direction, confidence, depthM);
                to.Flush();
                raysWaiting++;
            }
        }

        /// <summary>Send a frame: a JPEG of exactly this size. Returns its number; 0 if the server accepts none now.</summary>
        public uint SendJpeg(byte[] jpeg, int width, int height, long timeNs)
        {
            uint frameId;
            lock (gate)
            {
                if (!MaySend()) return 0;
                frameId = lastFrameId = lastFrameId == uint.MaxValue ? 1 : lastFrameId + 1;
                inFlight.Add(frameId);
                // A frame that the camera delivered late does not delay the next one, so that the mean rate is met.
                dueNs = Math.Max(dueNs, NowNs() - IntervalNs) + IntervalNs;
            }
            FlushRays();
            bool sent = Send(Message(MessageKind.Frame, 0, frameId, to =>
            {
                to.Write(timeNs);
                to.Write(ImageFormatJpeg); to.Write((byte)0); to.Write((ushort)0);
                to.Write((ushort)width); to.Write((ushort)height);
                to.Write(jpeg);
            }));
            if (sent) return frameId;
            Answered(frameId);
            return 0;
        }

        /// <summary>Pin the object that the gaze is on at this time. Returns the command's number.</summary>
        public uint Pin(long atNs) => SendCommand(CommandAction.Pin, AtFlag, 0, atNs, null);

        /// <summary>Pin the object on a ray in head space, for headsets without eye tracking. Keep sending frames.</summary>
        public uint PinOnRay(Vector3 origin, Vector3 direction, long timeNs) =>
            SendCommand(CommandAction.Pin, RayFlag, 0, 0, to => PutRay(to, timeNs, origin, direction, 1f, float.NaN));

        /// <summary>Unpin an object, or all objects with 0. Returns the command's number.</summary>
        public uint Unpin(uint objectId = 0) => SendCommand(CommandAction.Unpin, 0, objectId, 0, null);

        /// <summary>Ask for the known objects. From this command, Rename, Merge or Forget on, selections have labels and events.
        /// Servers without the key "objects" in /api/info do not know these commands, and end the connection.</summary>
        public uint ListObjects() => SendObjectCommand(ObjectAction.List, 0, 0, "");

        /// <summary>Give an object a label; empty takes it away. ObjectsReceived answers, or ErrorReceived.</summary>
        public uint Rename(uint objectId, string label) => SendObjectCommand(ObjectAction.Rename, objectId, 0, label);

        /// <summary>Make one object of two; keepId is its number from now on.</summary>
        public uint Merge(uint keepId, uint otherId) => SendObjectCommand(ObjectAction.Merge, keepId, otherId, "");

        /// <summary>Forget an object, and unpin it.</summary>
        public uint Forget(uint objectId) => SendObjectCommand(ObjectAction.Forget, objectId, 0, "");

        uint SendObjectCommand(ObjectAction action, uint objectId, uint otherId, string label)
        {
            uint commandId = ++lastCommandId;
            Send(Message(MessageKind.ObjectCommand, 0, commandId, to =>
            {
                to.Write((byte)action); to.Write((byte)0); to.Write((ushort)0);
                to.Write(objectId); to.Write(otherId);
                PutText(to, label ?? "");
            }));
            return commandId;
        }

        uint SendCommand(CommandAction action, byte flags, uint objectId, long atNs, Action<BinaryWriter> ray)
        {
            uint commandId = ++lastCommandId;
            FlushRays();
            Send(Message(MessageKind.Command, flags, commandId, to =>
            {
                to.Write((byte)action); to.Write((byte)0); to.Write((ushort)0);
                to.Write(objectId);
                to.Write(atNs);
                to.Write(0f); to.Write(0f);
                ray?.Invoke(to);
            }));
            return commandId;
        }

        void SendPing()
        {
            long known = -1, offset = 0;
            lock (gate)
            {
                if (!welcomed) return;
                if (ClockOffsetNs.HasValue) (known, offset) = (BestRoundTrip().roundTrip / 2, ClockOffsetNs.Value);
            }
            Send(Message(MessageKind.Ping, 0, ++lastPingId, to => { to.Write(NowNs()); to.Write(offset); to.Write(known); }));
        }

        void FlushRays()
        {
            byte[] message;
            lock (rays)
            {
                if (raysWaiting == 0) return;
                byte[] samples = rays.ToArray();
                message = Message(MessageKind.Rays, 0, (uint)raysWaiting, to => to.Write(samples));
                rays.SetLength(0);
                raysWaiting = 0;
            }
            // The server needs a camera before rays.
            if (camera != null) Send(message);
        }

        bool Send(byte[] message)
        {
            lock (gate) if (!welcomed) return false;
            // The queue is full when the network is stalled: drop the message, it would be outdated.
            return outgoing.TryAdd(message);
        }

        // Call it under the lock: whether window and rate allow a frame. It may be early by a fifth of the interval.
        bool MaySend() => welcomed && inFlight.Count < window && NowNs() >= dueNs - IntervalNs / 5;

        long IntervalNs => (long)(1e9 / Math.Min(framesPerS > 0 ? framesPerS : maxPerS, maxPerS));

        async Task KeepConnected(CancellationToken end)
        {
            while (!end.IsCancellationRequested && !unsupported)
            {
                using (var cut = CancellationTokenSource.CreateLinkedTokenSource(end))
                using (var socket = new ClientWebSocket())
                {
                    try
                    {
                        await socket.ConnectAsync(new Uri(url), cut.Token);
                        await socket.SendAsync(HelloMessage(), WebSocketMessageType.Binary, true, cut.Token);
                        Task sending = Task.Run(() => SendAll(socket, cut.Token));
                        await ReceiveAll(socket, cut.Token);
                        cut.Cancel();
                        await sending;
                    }
                    catch (OperationCanceledException) { }
                    catch (Exception error) when (error is WebSocketException || error is IOException ||
                                                  error is InvalidDataException || error is UriFormatException)
                    {
                        Report(0, error.Message);
                    }
                    cut.Cancel();
                }
                ClearState();
                try { await Task.Delay(1000, end); } catch (OperationCanceledException) { return; }
            }
        }

        async Task SendAll(ClientWebSocket socket, CancellationToken end)
        {
            try
            {
                foreach (byte[] message in outgoing.GetConsumingEnumerable(end))
                    await socket.SendAsync(new ArraySegment<byte>(message), WebSocketMessageType.Binary, true, end);
            }
            catch (OperationCanceledException) { }
            catch (WebSocketException) { }
        }

        async Task ReceiveAll(ClientWebSocket socket, CancellationToken end)
        {
            var part = new byte[1 << 16];
            var whole = new MemoryStream();
            while (socket.State == WebSocketState.Open)
            {
                WebSocketReceiveResult result = await socket.ReceiveAsync(new ArraySegment<byte>(part), end);
                if (result.MessageType == WebSocketMessageType.Close) return;
                whole.Write(part, 0, result.Count);
                if (!result.EndOfMessage) continue;
                Handle(whole.ToArray(), NowNs());
                whole.SetLength(0);
            }
        }

        void Handle(byte[] data, long nowNs)
        {
            try
            {
                var from = new BinaryReader(new MemoryStream(data));
                var kind = (MessageKind)from.ReadByte();
                from.ReadByte();
                from.ReadUInt16();
                uint id = from.ReadUInt32();
                switch (kind)
                {
                    case MessageKind.Welcome: HandleWelcome(from); break;
                    case MessageKind.Selection: HandleSelection(from, id); break;
                    case MessageKind.Grant: HandleGrant(from, id); break;
                    case MessageKind.Skipped: Answered(id); break;
                    case MessageKind.CommandResult:
                        from.ReadUInt32();
                        uint objectId = from.ReadUInt32();
                        onMainThread.Enqueue(() => CommandAnswered?.Invoke(id, objectId));
                        break;
                    case MessageKind.Pong: HandlePong(from, nowNs); break;
                    case MessageKind.Error: HandleError(from, id); break;
                    case MessageKind.ObjectList: HandleObjectList(from, id); break;
                    case MessageKind.ObjectInfo: HandleObjectInfo(from, id); break;
                }
            }
            catch (EndOfStreamException error)
            {
                throw new InvalidDataException("a message of the server is incomplete", error);
            }
        }

        void HandleWelcome(BinaryReader from)
        {
            Exactly(from, 4);
            byte version = from.ReadByte();
            if (version != ProtocolVersion)
            {
                ReportVersion($"the server answers in protocol version {version}");
                throw new OperationCanceledException();
            }
            Exactly(from, 3 + 8 + 4 + 4);
            float maxRate = from.ReadSingle();
            int frames = from.ReadUInt16();
            lock (gate)
            {
                window = frames;
                maxPerS = Math.Max(1f, maxRate);
                framesPerS = 0f;
                dueNs = 0;
                welcomed = true;
            }
            if (camera != null) Send(camera);
        }

        void HandleGrant(BinaryReader from, uint id)
        {
            float rate = from.ReadSingle();
            lock (gate)
            {
                window = (int)id;
                framesPerS = rate;
                dueNs = Math.Min(dueNs, NowNs() + IntervalNs);
            }
        }

        void HandleError(BinaryReader from, uint id)
        {
            var code = (ErrorCode)from.ReadUInt16();
            if ((MessageKind)from.ReadByte() == MessageKind.Frame) Answered(id);
            from.ReadByte();
            string message = Text(from);
            if (code == ErrorCode.UnsupportedVersion) ReportVersion(message);
            else Report(code, message);
        }

        // Another attempt would fail in the same way, so the client does not reconnect.
        void ReportVersion(string message)
        {
            unsupported = true;
            Report(ErrorCode.UnsupportedVersion, message + $" (this client speaks protocol version {ProtocolVersion}; " +
                                                 "use server and client of the same release)");
        }

        void HandleSelection(BinaryReader from, uint id)
        {
            var selection = new FrameSelection { FrameId = id };
            selection.FrameTimeNs = from.ReadInt64();
            selection.ReceivedNs = from.ReadInt64();
            selection.SentNs = from.ReadInt64();
            selection.Session = from.ReadUInt32();
            selection.Width = from.ReadUInt16();
            selection.Height = from.ReadUInt16();
            selection.State = (State)from.ReadByte();
            selection.Origin = (Origin)from.ReadByte();
            int stages = from.ReadByte(), objects = from.ReadByte();
            selection.AgeMs = from.ReadSingle();
            selection.Fixation = new Vector3(from.ReadSingle(), from.ReadSingle(), from.ReadSingle());
            for (int i = 0; i < stages; i++)
            {
                string name = Encoding.ASCII.GetString(Exactly(from, 12)).TrimEnd('\0');
                selection.StagesMs[name] = from.ReadSingle();
            }
            for (int i = 0; i < objects; i++) selection.Objects.Add(ReadObject(from));
            AddInfo(selection);
            Answered(id);
            onMainThread.Enqueue(() => SelectionReceived?.Invoke(selection));
        }

        // The labels and events of a selection come in a message before it.
        void AddInfo(FrameSelection selection)
        {
            if (labels != null && infoFrameId == selection.FrameId)
            {
                foreach (SelectedObject item in selection.Objects)
                    if (labels.TryGetValue(item.ObjectId, out string label)) item.Label = label;
                selection.Events = events;
            }
            labels = null;
        }

        void HandleObjectInfo(BinaryReader from, uint id)
        {
            int labelCount = from.ReadUInt16(), eventCount = from.ReadUInt16();
            infoFrameId = id;
            labels = new Dictionary<uint, string>();
            events = new List<ObjectEvent>();
            for (int i = 0; i < labelCount; i++)
            {
                uint objectId = from.ReadUInt32();
                labels[objectId] = Text(from);
            }
            for (int i = 0; i < eventCount; i++) events.Add(ReadEvent(from));
        }

        static ObjectEvent ReadEvent(BinaryReader from)
        {
            var happened = new ObjectEvent { TimeNs = from.ReadInt64(), Kind = (EventKind)from.ReadByte() };
            Exactly(from, 3);
            happened.ObjectId = from.ReadUInt32();
            happened.OtherId = from.ReadUInt32();
            happened.Label = Text(from);
            return happened;
        }

        void HandleObjectList(BinaryReader from, uint id)
        {
            from.ReadUInt32();
            int count = from.ReadUInt16();
            Exactly(from, 2);
            var known = new List<KnownObject>();
            for (int i = 0; i < count; i++) known.Add(ReadKnownObject(from));
            onMainThread.Enqueue(() => ObjectsReceived?.Invoke(id, known));
        }

        static KnownObject ReadKnownObject(BinaryReader from)
        {
            var item = new KnownObject { ObjectId = from.ReadUInt32(), IsPinned = (from.ReadByte() & 1) != 0 };
            Exactly(from, 3);
            item.FirstSeenNs = from.ReadInt64();
            item.LastSeenNs = from.ReadInt64();
            item.DwellMs = from.ReadUInt32();
            item.Visits = from.ReadUInt32();
            float x0 = from.ReadSingle(), y0 = from.ReadSingle(), x1 = from.ReadSingle(), y1 = from.ReadSingle();
            item.Box = Rect.MinMaxRect(x0, y0, x1, y1);
            item.Label = Text(from);
            return item;
        }

        static SelectedObject ReadObject(BinaryReader from)
        {
            var item = new SelectedObject { ObjectId = from.ReadUInt32() };
            byte flags = from.ReadByte();
            item.IsGazeTarget = (flags & 1) != 0;
            item.IsPinned = (flags & 2) != 0;
            from.ReadByte();
            from.ReadUInt16();
            item.Score = from.ReadSingle();
            float x0 = from.ReadSingle(), y0 = from.ReadSingle(), x1 = from.ReadSingle(), y1 = from.ReadSingle();
            item.Box = Rect.MinMaxRect(x0, y0, x1, y1);
            item.Rectangle = new RectInt(from.ReadUInt16(), from.ReadUInt16(), from.ReadUInt16(), from.ReadUInt16());
            item.AreaPx = from.ReadUInt32();
            int mask = checked((int)from.ReadUInt32()), polygons = checked((int)from.ReadUInt32());
            item.Runs = Exactly(from, mask);
            Exactly(from, (4 - mask % 4) % 4 + polygons);
            return item;
        }

        void HandlePong(BinaryReader from, long t3)
        {
            long t0 = from.ReadInt64(), t1 = from.ReadInt64(), t2 = from.ReadInt64();
            lock (gate)
            {
                pings.Enqueue(((t3 - t0) - (t2 - t1), ((t1 - t0) + (t2 - t3)) / 2));
                if (pings.Count > 12) pings.Dequeue();
                ClockOffsetNs = BestRoundTrip().offset;
            }
        }

        (long roundTrip, long offset) BestRoundTrip()
        {
            (long roundTrip, long offset) best = (long.MaxValue, 0);
            foreach ((long roundTrip, long offset) ping in pings)
                if (ping.roundTrip < best.roundTrip) best = ping;
            return best;
        }

        void Answered(uint frameId) { lock (gate) inFlight.Remove(frameId); }

        void Report(ErrorCode code, string message) => onMainThread.Enqueue(() => ErrorReceived?.Invoke(code, message));

        void ClearState()
        {
            lock (gate)
            {
                welcomed = false;
                inFlight.Clear();
                pings.Clear();
                ClockOffsetNs = null;
            }
            while (outgoing.TryTake(out _)) { }
        }

        ArraySegment<byte> HelloMessage() => new ArraySegment<byte>(Message(MessageKind.Hello, 0, 0, to =>
        {
            to.Write(Encoding.ASCII.GetBytes("SEGE"));
            to.Write(ProtocolVersion); to.Write(ProtocolVersion);
            to.Write(MaskFormatRuns); to.Write((byte)0);
            to.Write(1f); to.Write(0f);
            to.Write((ushort)0); to.Write((ushort)0);
            PutText(to, token);
            PutText(to, "");
            PutText(to, "Unity " + Environment.OSVersion.Platform);
        }));

        static byte[] Message(MessageKind kind, byte flags, uint id, Action<BinaryWriter> body)
        {
            // BinaryWriter is little-endian on every platform, as the protocol is.
            var bytes = new MemoryStream();
            var to = new BinaryWriter(bytes);
            to.Write((byte)kind); to.Write(flags); to.Write((ushort)0); to.Write(id);
            body(to);
            to.Flush();
            return bytes.ToArray();
        }

        static void PutRay(BinaryWriter to, long timeNs, Vector3 origin, Vector3 direction, float confidence, float depthM)
        {
            to.Write(timeNs);
            to.Write(confidence); to.Write(depthM);
            Put(to, origin);
            Put(to, direction);
            Put(to, Vector3.zero);
            Put(to, Quaternion.identity);
            to.Write(0u);
        }

        // Negating z negates x and y of a rotation.
        static void Put(BinaryWriter to, Vector3 v) { to.Write(v.x); to.Write(v.y); to.Write(-v.z); }

        static void Put(BinaryWriter to, Quaternion q) { to.Write(-q.x); to.Write(-q.y); to.Write(q.z); to.Write(q.w); }

        static void PutText(BinaryWriter to, string text)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            to.Write((ushort)bytes.Length);
            to.Write(bytes);
        }

        static string Text(BinaryReader from) => Encoding.UTF8.GetString(Exactly(from, from.ReadUInt16()));

        static byte[] Exactly(BinaryReader from, int count)
        {
            byte[] bytes = from.ReadBytes(count);
            if (bytes.Length < count) throw new EndOfStreamException();
            return bytes;
        }
    }
}
