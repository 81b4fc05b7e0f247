// A client of `sam-edge serve` for Unity, by docs/protocol.md, version 1. One file, no packages besides Unity's own.
//
// Put it on an object, set the address, and call from your own scripts:
//
//     client.SetCamera(width, height, fx, fy, cx, cy, cameraPositionOnHead, cameraRotationOnHead);
//     client.AddRay(timeNs, origin, direction, confidence);      // each eye tracker sample, in head space
//     if (client.WantsFrame) client.SendJpeg(jpeg, width, height, timeNs);
//     client.Select(timeNs);                                      // at a pinch: the thing that gaze means
//     client.SelectAt(ray.origin, ray.direction, timeNs);         // without eye tracking: the thing on a ray
//     client.Selected += selection => Draw(selection);            // on Unity's main thread
//
// Times are nanoseconds of one clock: NowNs(). Unity's axes are +x right, +y up, +z forward; the wire's are OpenXR's, with
// -z forward, so z is turned round on the way. WebGL builds have no ClientWebSocket: use the JavaScript client there.

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
    public enum State { None = 0, Hover = 1, Selected = 2, Held = 3, Lost = 4 }

    /// <summary>One thing that is selected. Pixels are those of the frames: x right, y down.</summary>
    public sealed class Thing
    {
        public uint ObjectId;
        public bool Meant, Kept;
        public float Score;
        public Rect Box;
        public RectInt Rectangle;
        public uint AreaPx;
        public byte[] Runs;

        /// <summary>Write the mask into an alpha texture's bytes, first row at the top: 255 on the thing.</summary>
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

    /// <summary>What is selected on one frame.</summary>
    public sealed class Selection
    {
        public uint FrameId, Session;
        public long FrameTimeNs, ReceivedNs, SentNs;
        public int Width, Height;
        public State State;
        public float AgeMs;
        public Vector3 Fixation;
        public readonly Dictionary<string, float> StagesMs = new Dictionary<string, float>();
        public readonly List<Thing> Things = new List<Thing>();
    }

    public sealed class SamEdgeClient : MonoBehaviour
    {
        const byte Hello = 0x01, Frame = 0x02, Rays = 0x04, Camera = 0x05, Trigger = 0x06, Ping = 0x07;
        const byte Welcome = 0x81, SelectionKind = 0x82, Grant = 0x83, Skipped = 0x84, Triggered = 0x85, Pong = 0x86, Error = 0x87;
        const byte MasksAsRuns = 1, Jpeg = 1, Select_ = 1, Release_ = 2;
        const byte AtFlag = 0x08, RayFlag = 0x20;
        const int RaysAMessage = 1024;

        [SerializeField] string url = "ws://127.0.0.1:8765/api/stream";
        [SerializeField] string token = "";

        /// <summary>Raised on the main thread for every selection.</summary>
        public event Action<Selection> Selected;
        /// <summary>Raised on the main thread: trigger's number, and the object that is kept or let go, 0 for none.</summary>
        public event Action<uint, uint> TriggerAnswered;
        /// <summary>Raised on the main thread: the code and what was wrong. The connection is made again by itself.</summary>
        public event Action<int, string> Failed;

        /// <summary>Server's minus own clock, nanoseconds, by the shortest round trip of late; null before the first.</summary>
        public long? ClockOffsetNs { get; private set; }
        /// <summary>Whether the server wants another frame now. Keep the newest one until it does.</summary>
        public bool WantsFrame { get { lock (gate) return HasRoom(); } }

        readonly object gate = new object();
        readonly HashSet<uint> inFlight = new HashSet<uint>();
        readonly ConcurrentQueue<Action> onMainThread = new ConcurrentQueue<Action>();
        readonly BlockingCollection<byte[]> outgoing = new BlockingCollection<byte[]>(256);
        readonly Queue<(long roundTrip, long offset)> pings = new Queue<(long, long)>();
        readonly MemoryStream rays = new MemoryStream();
        int raysWaiting, window;
        float mostPerS = 1f, framesPerS;
        long dueNs;
        uint nextFrame, nextTrigger, nextPing;
        bool greeted;
        byte[] camera;
        CancellationTokenSource ending;

        /// <summary>Nanoseconds of a monotonic clock: the time base of frames, gaze and triggers.</summary>
        public static long NowNs() => (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));

        void OnEnable()
        {
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

        /// <summary>Say what rays are projected into; again after every change.</summary>
        public void SetCamera(int width, int height, float fx, float fy, float cx, float cy,
                              Vector3 positionOnHead, Quaternion rotationOnHead, float distanceM = 2f)
        {
            camera = Message(Camera, 0, 0, to =>
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

        /// <summary>Add an eye tracker's sample in head space, Unity's axes; confidence 0 while the eyes are shut.</summary>
        public void AddRay(long timeNs, Vector3 origin, Vector3 direction, float confidence = 1f, float depthM = float.NaN)
        {
            lock (rays)
            {
                if (raysWaiting == RaysAMessage) return;
                var to = new BinaryWriter(rays);
                PutRay(to, timeNs, origin, direction, confidence, depthM);
                to.Flush();
                raysWaiting++;
            }
        }

        /// <summary>Send a frame: a JPEG of exactly this size. Returns its number; 0 when the server wants none now.</summary>
        public uint SendJpeg(byte[] jpeg, int width, int height, long timeNs)
        {
            uint number;
            lock (gate)
            {
                if (!HasRoom()) return 0;
                number = nextFrame = nextFrame == uint.MaxValue ? 1 : nextFrame + 1;
                inFlight.Add(number);
                // What a camera's own interval made late is made good by the next frame, so that the rate comes true.
                dueNs = Math.Max(dueNs, NowNs() - IntervalNs) + IntervalNs;
            }
            FlushRays();
            bool sent = Send(Message(Frame, 0, number, to =>
            {
                to.Write(timeNs);
                to.Write(Jpeg); to.Write((byte)0); to.Write((ushort)0);
                to.Write((ushort)width); to.Write((ushort)height);
                to.Write(jpeg);
            }));
            if (sent) return number;
            Answered(number);
            return 0;
        }

        /// <summary>Keep what gaze means, or meant at this time. Returns the trigger's number.</summary>
        public uint Select(long atNs) => SendTrigger(Select_, AtFlag, 0, atNs, null);

        /// <summary>Keep what is on a ray in head space: for headsets without eye tracking. Go on sending frames.</summary>
        public uint SelectAt(Vector3 origin, Vector3 direction, long timeNs) =>
            SendTrigger(Select_, RayFlag, 0, 0, to => PutRay(to, timeNs, origin, direction, 1f, float.NaN));

        /// <summary>Let go of an object, or of everything with 0.</summary>
        public uint Release(uint objectId = 0) => SendTrigger(Release_, 0, objectId, 0, null);

        uint SendTrigger(byte action, byte flags, uint objectId, long atNs, Action<BinaryWriter> ray)
        {
            uint number = ++nextTrigger;
            FlushRays();
            Send(Message(Trigger, flags, number, to =>
            {
                to.Write(action); to.Write((byte)0); to.Write((ushort)0);
                to.Write(objectId);
                to.Write(atNs);
                to.Write(0f); to.Write(0f);
                ray?.Invoke(to);
            }));
            return number;
        }

        void SendPing()
        {
            long known = -1, offset = 0;
            lock (gate)
            {
                if (!greeted) return;
                if (ClockOffsetNs.HasValue) (known, offset) = (BestRoundTrip().roundTrip / 2, ClockOffsetNs.Value);
            }
            Send(Message(Ping, 0, ++nextPing, to => { to.Write(NowNs()); to.Write(offset); to.Write(known); }));
        }

        void FlushRays()
        {
            byte[] message;
            lock (rays)
            {
                if (raysWaiting == 0) return;
                byte[] samples = rays.ToArray();
                message = Message(Rays, 0, (uint)raysWaiting, to => to.Write(samples));
                rays.SetLength(0);
                raysWaiting = 0;
            }
            // Rays need a camera on the server's side first.
            if (camera != null) Send(message);
        }

        bool Send(byte[] message)
        {
            lock (gate) if (!greeted) return false;
            // A full queue means that the network stands still: old gaze and frames are worth nothing then.
            return outgoing.TryAdd(message);
        }

        // To be called under the lock: whether window and rate have room for a frame. A fifth of the interval early will do.
        bool HasRoom() => greeted && inFlight.Count < window && NowNs() >= dueNs - IntervalNs / 5;

        long IntervalNs => (long)(1e9 / Math.Min(framesPerS > 0 ? framesPerS : mostPerS, mostPerS));

        async Task KeepConnected(CancellationToken end)
        {
            while (!end.IsCancellationRequested)
            {
                using (var cut = CancellationTokenSource.CreateLinkedTokenSource(end))
                using (var socket = new ClientWebSocket())
                {
                    try
                    {
                        await socket.ConnectAsync(new Uri(url), cut.Token);
                        await socket.SendAsync(Greeting(), WebSocketMessageType.Binary, true, cut.Token);
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
                Forget();
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
                WebSocketReceiveResult got = await socket.ReceiveAsync(new ArraySegment<byte>(part), end);
                if (got.MessageType == WebSocketMessageType.Close) return;
                whole.Write(part, 0, got.Count);
                if (!got.EndOfMessage) continue;
                Take(whole.ToArray(), NowNs());
                whole.SetLength(0);
            }
        }

        void Take(byte[] data, long nowNs)
        {
            try
            {
                var from = new BinaryReader(new MemoryStream(data));
                byte kind = from.ReadByte();
                from.ReadByte();
                from.ReadUInt16();
                uint id = from.ReadUInt32();
                switch (kind)
                {
                    case Welcome: TakeWelcome(from); break;
                    case SelectionKind: TakeSelection(from, id); break;
                    case Grant: TakeGrant(from, id); break;
                    case Skipped: Answered(id); break;
                    case Triggered:
                        from.ReadUInt32();
                        uint kept = from.ReadUInt32();
                        onMainThread.Enqueue(() => TriggerAnswered?.Invoke(id, kept));
                        break;
                    case Pong: TakePong(from, nowNs); break;
                    case Error:
                        int code = from.ReadUInt16();
                        if (from.ReadByte() == Frame) Answered(id);
                        from.ReadByte();
                        Report(code, Text(from));
                        break;
                }
            }
            catch (EndOfStreamException error)
            {
                throw new InvalidDataException("a message of the server was cut off", error);
            }
        }

        void TakeWelcome(BinaryReader from)
        {
            Exactly(from, 4 + 4 + 8 + 4 + 4);
            float most = from.ReadSingle();
            int wanted = from.ReadUInt16();
            lock (gate)
            {
                window = wanted;
                mostPerS = Math.Max(1f, most);
                framesPerS = 0f;
                dueNs = 0;
                greeted = true;
            }
            if (camera != null) Send(camera);
        }

        void TakeGrant(BinaryReader from, uint id)
        {
            float rate = from.ReadSingle();
            lock (gate)
            {
                window = (int)id;
                framesPerS = rate;
                dueNs = Math.Min(dueNs, NowNs() + IntervalNs);
            }
        }

        void TakeSelection(BinaryReader from, uint id)
        {
            var found = new Selection { FrameId = id };
            found.FrameTimeNs = from.ReadInt64();
            found.ReceivedNs = from.ReadInt64();
            found.SentNs = from.ReadInt64();
            found.Session = from.ReadUInt32();
            found.Width = from.ReadUInt16();
            found.Height = from.ReadUInt16();
            found.State = (State)from.ReadByte();
            from.ReadByte();
            int stages = from.ReadByte(), things = from.ReadByte();
            found.AgeMs = from.ReadSingle();
            found.Fixation = new Vector3(from.ReadSingle(), from.ReadSingle(), from.ReadSingle());
            for (int i = 0; i < stages; i++)
            {
                string name = Encoding.ASCII.GetString(Exactly(from, 12)).TrimEnd('\0');
                found.StagesMs[name] = from.ReadSingle();
            }
            for (int i = 0; i < things; i++) found.Things.Add(ReadThing(from));
            Answered(id);
            onMainThread.Enqueue(() => Selected?.Invoke(found));
        }

        static Thing ReadThing(BinaryReader from)
        {
            var thing = new Thing { ObjectId = from.ReadUInt32() };
            byte roles = from.ReadByte();
            thing.Meant = (roles & 1) != 0;
            thing.Kept = (roles & 2) != 0;
            from.ReadByte();
            from.ReadUInt16();
            thing.Score = from.ReadSingle();
            float x0 = from.ReadSingle(), y0 = from.ReadSingle(), x1 = from.ReadSingle(), y1 = from.ReadSingle();
            thing.Box = Rect.MinMaxRect(x0, y0, x1, y1);
            thing.Rectangle = new RectInt(from.ReadUInt16(), from.ReadUInt16(), from.ReadUInt16(), from.ReadUInt16());
            thing.AreaPx = from.ReadUInt32();
            int mask = checked((int)from.ReadUInt32()), polygons = checked((int)from.ReadUInt32());
            thing.Runs = Exactly(from, mask);
            Exactly(from, (4 - mask % 4) % 4 + polygons);
            return thing;
        }

        void TakePong(BinaryReader from, long t3)
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
            foreach ((long roundTrip, long offset) one in pings)
                if (one.roundTrip < best.roundTrip) best = one;
            return best;
        }

        void Answered(uint frame) { lock (gate) inFlight.Remove(frame); }

        void Report(int code, string message) => onMainThread.Enqueue(() => Failed?.Invoke(code, message));

        void Forget()
        {
            lock (gate)
            {
                greeted = false;
                inFlight.Clear();
                pings.Clear();
                ClockOffsetNs = null;
            }
            while (outgoing.TryTake(out _)) { }
        }

        ArraySegment<byte> Greeting() => new ArraySegment<byte>(Message(Hello, 0, 0, to =>
        {
            to.Write(Encoding.ASCII.GetBytes("SEGE"));
            to.Write((byte)2); to.Write((byte)2);
            to.Write(MasksAsRuns); to.Write((byte)0);
            to.Write(1f); to.Write(0f);
            to.Write((ushort)0); to.Write((ushort)0);
            PutText(to, token);
            PutText(to, "");
            PutText(to, "Unity " + Environment.OSVersion.Platform);
        }));

        static byte[] Message(byte kind, byte flags, uint id, Action<BinaryWriter> body)
        {
            // BinaryWriter is little-endian on every platform, as the protocol is.
            var bytes = new MemoryStream();
            var to = new BinaryWriter(bytes);
            to.Write(kind); to.Write(flags); to.Write((ushort)0); to.Write(id);
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

        // Turning z round turns a rotation's x and y round.
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
