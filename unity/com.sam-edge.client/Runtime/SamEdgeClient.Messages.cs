using System;
using System.IO;

namespace SamEdge
{
    // What comes from the server. These methods run on the connection's thread.
    public sealed partial class SamEdgeClient
    {
        ObjectInfo info;
        uint unconfirmedFrame;

        void Handle(byte[] data, long nowNs)
        {
            try
            {
                var from = new BinaryReader(new MemoryStream(data));
                var kind = (MessageKind)from.ReadByte();
                from.ReadByte();
                from.ReadUInt16();
                uint id = from.ReadUInt32();
                Handle(kind, id, from, nowNs);
            }
            catch (EndOfStreamException error)
            {
                throw new InvalidDataException("a message of the server is incomplete", error);
            }
        }

        void Handle(MessageKind kind, uint id, BinaryReader from, long nowNs)
        {
            switch (kind)
            {
                case MessageKind.Welcome: HandleWelcome(from); break;
                case MessageKind.Selection: HandleSelection(from, id); break;
                case MessageKind.Grant: HandleGrant(from, id); break;
                case MessageKind.Skipped: lock (gate) credit.Answered(id); break;
                case MessageKind.CommandResult: HandleResult(from, id); break;
                case MessageKind.Pong: HandlePong(from, nowNs); break;
                case MessageKind.Error: HandleError(from, id); break;
                case MessageKind.ObjectList: HandleObjects(from, id); break;
                case MessageKind.ObjectInfo: info = WireReader.Info(from, id); break;
                case MessageKind.Unconfirmed: from.ReadUInt32(); unconfirmedFrame = id; break;
            }
        }

        void HandleWelcome(BinaryReader from)
        {
            WireReader.Exactly(from, 4);
            byte version = from.ReadByte();
            if (version != Protocol.ProtocolVersion) End(ErrorCode.UnsupportedVersion, $"the server answers in protocol version {version}");
            WireReader.Exactly(from, 3 + 8 + 4 + 4);
            float maxRate = from.ReadSingle();
            int frames = from.ReadUInt16();
            lock (gate)
            {
                credit.Open(frames, maxRate);
                lastPingId = 0;
                nextPingNs = 0;
                // Before any ray: the server refuses rays without a camera.
                if (cameraMessage != null) connection?.Send(cameraMessage);
                welcomed = true;
            }
            onMainThread.Enqueue(() => ConnectedChanged?.Invoke(true));
        }

        void HandleGrant(BinaryReader from, uint frames)
        {
            float rate = from.ReadSingle();
            lock (gate) credit.Grant((int)frames, rate, MonotonicClock.NowNs());
        }

        void HandleSelection(BinaryReader from, uint id)
        {
            FrameSelection selection = WireReader.Selection(from, id);
            // The labels and events of a selection come in a message before it.
            info?.AddTo(selection);
            info = null;
            selection.IsConfirmed = unconfirmedFrame != id;
            unconfirmedFrame = 0;
            lock (gate)
            {
                credit.Answered(id);
                if (poses.TryGetValue(id, out var pose)) selection.CameraInWorld = pose;
            }
            onMainThread.Enqueue(() => SelectionReceived?.Invoke(selection));
        }

        void HandleResult(BinaryReader from, uint commandId)
        {
            from.ReadUInt32();
            uint objectId = from.ReadUInt32();
            onMainThread.Enqueue(() => CommandAnswered?.Invoke(commandId, objectId));
        }

        void HandleObjects(BinaryReader from, uint commandId)
        {
            var known = WireReader.ObjectList(from);
            onMainThread.Enqueue(() => ObjectsReceived?.Invoke(commandId, known));
        }

        void HandlePong(BinaryReader from, long backNs)
        {
            long sentNs = from.ReadInt64(), receivedNs = from.ReadInt64(), answeredNs = from.ReadInt64();
            lock (gate) clock.Add(sentNs, receivedNs, answeredNs, backNs);
        }

        void HandleError(BinaryReader from, uint id)
        {
            var code = (ErrorCode)from.ReadUInt16();
            if ((MessageKind)from.ReadByte() == MessageKind.Frame) lock (gate) credit.Answered(id);
            from.ReadByte();
            string message = WireReader.Text(from);
            if (code == ErrorCode.UnsupportedVersion || code == ErrorCode.Unauthorized) End(code, message);
            Report(code, message);
        }

        // Another attempt would fail in the same way, so the client does not connect again.
        void End(ErrorCode code, string message)
        {
            if (code == ErrorCode.UnsupportedVersion)
                message += $" (this client speaks protocol version {Protocol.ProtocolVersion}; use server and client of the same release)";
            Report(code, message);
            Forget();
            throw new OperationCanceledException();
        }

        void Lost(string reason)
        {
            Forget();
            Report(0, reason.Length > 0 ? $"no connection to {url}: {reason}" : $"{url} closed the connection");
        }

        void Forget()
        {
            bool was;
            lock (gate)
            {
                was = welcomed;
                welcomed = false;
                credit.Close();
                clock.Clear();
                info = null;
            }
            if (was) onMainThread.Enqueue(() => ConnectedChanged?.Invoke(false));
        }
    }
}
