using System;
using System.IO;
using System.Text;
using UnityEngine;

namespace SamEdge
{
    /// <summary>Encodes the messages to the server. Vectors are Unity's; the wire's axes are OpenXR's, with -z forward.</summary>
    static class WireWriter
    {
        public static byte[] Hello(string token, string name) => Message(MessageKind.Hello, 0, 0, to =>
        {
            to.Write(Encoding.ASCII.GetBytes("SEGE"));
            to.Write(Protocol.ProtocolVersion); to.Write(Protocol.ProtocolVersion);
            to.Write(Protocol.MaskFormatRuns); to.Write((byte)0);
            to.Write(1f); to.Write(0f);
            to.Write((ushort)0); to.Write((ushort)0);
            PutText(to, token ?? "");
            PutText(to, "");
            PutText(to, name);
        });

        public static byte[] Camera(CameraModel camera, Pose onHead, float distanceM) => Message(MessageKind.Camera, 0, 0, to =>
        {
            to.Write((ushort)camera.Width); to.Write((ushort)camera.Height);
            to.Write(camera.Fx); to.Write(camera.Fy); to.Write(camera.Cx); to.Write(camera.Cy);
            for (int i = 0; i < 5; i++) to.Write(0f);
            Put(to, onHead.position);
            Put(to, onHead.rotation);
            to.Write(distanceM);
        });

        public static byte[] Frame(uint frameId, long timeNs, byte format, byte flags, int width, int height, byte[] image) =>
            Message(MessageKind.Frame, flags, frameId, to =>
            {
                to.Write(timeNs);
                to.Write(format); to.Write((byte)0); to.Write((ushort)0);
                to.Write((ushort)width); to.Write((ushort)height);
                to.Write(image);
            });

        public static byte[] Rays(int count, byte[] samples) => Message(MessageKind.Rays, 0, (uint)count, to => to.Write(samples));

        public static byte[] Ping(uint pingId, long nowNs, long offsetNs, long uncertaintyNs) =>
            Message(MessageKind.Ping, 0, pingId, to => { to.Write(nowNs); to.Write(offsetNs); to.Write(uncertaintyNs); });

        public static byte[] Command(CommandAction action, byte flags, uint commandId, uint objectId, long atNs, GazeRay? ray) =>
            Message(MessageKind.Command, flags, commandId, to =>
            {
                to.Write((byte)action); to.Write((byte)0); to.Write((ushort)0);
                to.Write(objectId);
                to.Write(atNs);
                to.Write(0f); to.Write(0f);
                if (ray.HasValue) PutRay(to, ray.Value);
            });

        public static byte[] Confirmation() => Message(MessageKind.Confirmation, 0, 0, to => { });

        public static byte[] ObjectCommand(ObjectAction action, uint commandId, uint objectId, uint otherId, string label) =>
            Message(MessageKind.ObjectCommand, 0, commandId, to =>
            {
                to.Write((byte)action); to.Write((byte)0); to.Write((ushort)0);
                to.Write(objectId); to.Write(otherId);
                PutText(to, label ?? "");
            });

        /// <summary>Write a sample of rays; the pose of the head in the world is not used with rays in head space.</summary>
        public static void PutRay(BinaryWriter to, GazeRay ray)
        {
            to.Write(ray.TimeNs);
            to.Write(ray.Confidence); to.Write(ray.DepthM);
            Put(to, ray.Origin);
            Put(to, ray.Direction);
            Put(to, Vector3.zero);
            Put(to, Quaternion.identity);
            to.Write(0u);
        }

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

        static void Put(BinaryWriter to, Vector3 v) { to.Write(v.x); to.Write(v.y); to.Write(-v.z); }

        // Negating z negates x and y of a rotation.
        static void Put(BinaryWriter to, Quaternion q) { to.Write(-q.x); to.Write(-q.y); to.Write(q.z); to.Write(q.w); }

        static void PutText(BinaryWriter to, string text)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            to.Write((ushort)bytes.Length);
            to.Write(bytes);
        }
    }
}
