using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using UnityEngine;

namespace SamEdge
{
    /// <summary>A client of `sam-edge serve`. Times are nanoseconds of <see cref="MonotonicClock"/>, axes are Unity's. All events
    /// are raised on the main thread. It connects while it is enabled, and connects again after a loss.</summary>
    [AddComponentMenu("SAM Edge/SAM Edge Client")]
    public sealed partial class SamEdgeClient : MonoBehaviour
    {
        const long PingIntervalNs = 1000000000, FirstPingIntervalNs = 100000000;
        const int FirstPings = 5, PosesKept = 256;

        [SerializeField, Tooltip("Address that `sam-edge serve` prints, with the path /api/stream.")]
        string url = "ws://127.0.0.1:8765/api/stream";
        [SerializeField, Tooltip("The server's token; empty for a server on this computer.")]
        string token = "";

        /// <summary>Raised for every selection.</summary>
        public event Action<FrameSelection> SelectionReceived;
        /// <summary>Raised with the number of a pin or unpin, and the object that was pinned or unpinned, 0 for none.</summary>
        public event Action<uint, uint> CommandAnswered;
        /// <summary>Raised with the number of a command about objects, and the objects known after it.</summary>
        public event Action<uint, List<KnownObject>> ObjectsReceived;
        /// <summary>Raised with the error's code (0: the network) and its message. The client connects again by itself, except
        /// after UnsupportedVersion and Unauthorized.</summary>
        public event Action<ErrorCode, string> ErrorReceived;
        /// <summary>Raised when the server accepted the client, and when the connection was lost.</summary>
        public event Action<bool> ConnectedChanged;

        /// <summary>Whether the server accepted the client.</summary>
        public bool IsConnected { get { lock (gate) return welcomed; } }
        /// <summary>Server's minus own clock, nanoseconds, from the shortest of the last round trips; null before the first.</summary>
        public long? ClockOffsetNs { get { lock (gate) return clock.OffsetNs; } }
        /// <summary>Whether the server accepts another frame now. Keep the newest frame until then.</summary>
        public bool WantsFrame { get { lock (gate) return welcomed && credit.MaySend(MonotonicClock.NowNs()); } }
        /// <summary>The camera that was set; null before SetCamera.</summary>
        public CameraModel? Camera { get; private set; }
        /// <summary>Address of the server. Set it while the component is disabled.</summary>
        public string Url { get => url; set => url = value; }
        /// <summary>The server's token. Set it while the component is disabled.</summary>
        public string Token { get => token; set => token = value; }

        readonly object gate = new object();
        readonly FrameCredit credit = new FrameCredit();
        readonly ClockSync clock = new ClockSync();
        readonly ConcurrentQueue<Action> onMainThread = new ConcurrentQueue<Action>();
        readonly Dictionary<uint, Pose> poses = new Dictionary<uint, Pose>();
        readonly Queue<uint> posesInOrder = new Queue<uint>();
        readonly MemoryStream rays = new MemoryStream();
        int raysWaiting;
        uint lastCommandId, lastPingId;
        long nextPingNs;
        bool welcomed;
        byte[] cameraMessage;
        Connection connection;

        void OnEnable()
        {
            if (!Uri.TryCreate(url, UriKind.Absolute, out Uri address) || (address.Scheme != "ws" && address.Scheme != "wss"))
            {
                Report(0, $"the address is {url}; it must begin with ws:// or wss://, as ws://192.168.0.10:8765/api/stream");
                return;
            }
            string name = "Unity " + Application.unityVersion + ", " + SystemInfo.deviceModel;
            lock (gate) connection = new Connection(address, WireWriter.Hello(token, name), Handle, Lost);
        }

        void OnDisable()
        {
            connection?.Dispose();
            connection = null;
            Forget();
        }

        void Update()
        {
            FlushRays();
            SendPingIfDue();
            while (onMainThread.TryDequeue(out Action action)) action();
        }

        /// <summary>Set the camera into which rays are projected; call it again after every change.</summary>
        /// <param name="onHead">Pose of the camera in the space of the head; rays are in that space, too.</param>
        /// <param name="distanceM">How far away things are, for rays without a depth, metres, 0.05 to 1000.</param>
        public void SetCamera(CameraModel camera, Pose onHead, float distanceM = 2f)
        {
            Camera = camera;
            byte[] message = WireWriter.Camera(camera, onHead, distanceM);
            lock (gate)
            {
                cameraMessage = message;
                // Without a connection it is sent as soon as the server has accepted the client.
                if (welcomed) connection?.Send(message);
            }
        }

        /// <summary>Add a sample of the eye tracker. Samples are sent together, at the latest with the next frame.</summary>
        public void AddRay(GazeRay ray)
        {
            lock (rays)
            {
                if (raysWaiting == Protocol.MaxSamples) return;
                var to = new BinaryWriter(rays);
                WireWriter.PutRay(to, ray);
                to.Flush();
                raysWaiting++;
            }
        }

        /// <summary>Send a frame: a JPEG of exactly this size. Returns its number; 0 if the server accepts none now.</summary>
        /// <param name="timeNs">When it was captured; later than the frame before.</param>
        /// <param name="cameraInWorld">Where the camera was then; selections of the frame repeat it.</param>
        public uint SendJpeg(byte[] jpeg, int width, int height, long timeNs, Pose? cameraInWorld = null) =>
            SendFrame(jpeg, Protocol.ImageFormatJpeg, 0, width, height, timeNs, cameraInWorld);

        /// <summary>Send a frame of 4 bytes a pixel, red, green, blue and one that is ignored. For a server on this computer: a
        /// JPEG is some twenty times smaller.</summary>
        /// <param name="bottomUp">Whether it begins with the lowest row, as Unity's textures do.</param>
        public uint SendRgba(byte[] rgba, int width, int height, long timeNs, bool bottomUp = true, Pose? cameraInWorld = null)
        {
            if (rgba.Length != width * height * 4)
                throw new ArgumentException($"a frame of {width}x{height} has {width * height * 4} bytes, not {rgba.Length}");
            byte flags = bottomUp ? Protocol.BottomUpFlag : (byte)0;
            return SendFrame(rgba, Protocol.ImageFormatRgba, flags, width, height, timeNs, cameraInWorld);
        }

        /// <summary>Pin the object that the gaze is on at this time. Returns the command's number.</summary>
        public uint Pin(long atNs) => SendCommand(CommandAction.Pin, Protocol.AtFlag, 0, atNs, null);

        /// <summary>Pin the object on a ray, for headsets without eye tracking. Keep sending frames.</summary>
        public uint PinOnRay(GazeRay ray) => SendCommand(CommandAction.Pin, Protocol.RayFlag, 0, 0, ray);

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

        /// <summary>From now on, the server says which selections are not confirmed: their IsConfirmed is false. Servers without the key
        /// "confirmation" in /api/info do not know this, and end the connection. Ask again after the connection was lost.</summary>
        public void AskForConfirmation() => Send(WireWriter.Confirmation());

        uint SendFrame(byte[] image, byte format, byte flags, int width, int height, long timeNs, Pose? cameraInWorld)
        {
            uint frameId;
            lock (gate)
            {
                long nowNs = MonotonicClock.NowNs();
                if (!welcomed || !credit.MaySend(nowNs)) return 0;
                frameId = credit.Take(nowNs);
                if (cameraInWorld.HasValue) Remember(frameId, cameraInWorld.Value);
            }
            FlushRays();
            if (Send(WireWriter.Frame(frameId, timeNs, format, flags, width, height, image))) return frameId;
            lock (gate) credit.Answered(frameId);
            return 0;
        }

        void Remember(uint frameId, Pose pose)
        {
            poses[frameId] = pose;
            posesInOrder.Enqueue(frameId);
            if (posesInOrder.Count > PosesKept) poses.Remove(posesInOrder.Dequeue());
        }

        uint SendCommand(CommandAction action, byte flags, uint objectId, long atNs, GazeRay? ray)
        {
            uint commandId = ++lastCommandId;
            FlushRays();
            Send(WireWriter.Command(action, flags, commandId, objectId, atNs, ray));
            return commandId;
        }

        uint SendObjectCommand(ObjectAction action, uint objectId, uint otherId, string label)
        {
            uint commandId = ++lastCommandId;
            Send(WireWriter.ObjectCommand(action, commandId, objectId, otherId, label));
            return commandId;
        }

        void SendPingIfDue()
        {
            long nowNs = MonotonicClock.NowNs();
            long offsetNs, uncertaintyNs;
            lock (gate)
            {
                if (!welcomed || nowNs < nextPingNs) return;
                nextPingNs = nowNs + (lastPingId < FirstPings ? FirstPingIntervalNs : PingIntervalNs);
                offsetNs = clock.OffsetNs ?? 0;
                uncertaintyNs = clock.UncertaintyNs;
            }
            Send(WireWriter.Ping(++lastPingId, MonotonicClock.NowNs(), offsetNs, uncertaintyNs));
        }

        void FlushRays()
        {
            byte[] message;
            lock (rays)
            {
                if (raysWaiting == 0) return;
                message = WireWriter.Rays(raysWaiting, rays.ToArray());
                rays.SetLength(0);
                raysWaiting = 0;
            }
            // The server needs a camera before rays.
            if (cameraMessage != null) Send(message);
        }

        bool Send(byte[] message)
        {
            lock (gate) if (!welcomed || connection == null) return false;
            return connection.Send(message);
        }

        void Report(ErrorCode code, string message) => onMainThread.Enqueue(() =>
        {
            if (ErrorReceived != null) ErrorReceived(code, message);
            else Debug.LogWarning($"SAM Edge: {message}", this);
        });
    }
}
