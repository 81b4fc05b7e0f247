using System;
using System.IO;
using System.Linq;
using UnityEngine;

namespace SamEdge.Tests
{
    /// <summary>Messages to the server as hexadecimal numbers, and messages of the server as fields.</summary>
    static class WireLines
    {
        static readonly GazeRay Ray = new GazeRay(123456789012L, new Vector3(.1f, .2f, .3f), new Vector3(.4f, .5f, .6f), .75f, 1.5f);

        public static void Encode()
        {
            Line("hello", WireWriter.Hello("secret-token", "Ünity"));
            var camera = new CameraModel(640, 480, 500f, 501f, 320f, 240f);
            Line("camera", WireWriter.Camera(camera, new Pose(new Vector3(.1f, .2f, .3f), new Quaternion(.1f, .7f, -.1f, .7f)), 1.25f));
            Line("frame", WireWriter.Frame(7, 99L, Protocol.ImageFormatJpeg, 0, 640, 480, new byte[] { 1, 2, 3 }));
            Line("rgba", WireWriter.Frame(8, 100L, Protocol.ImageFormatRgba, Protocol.BottomUpFlag, 32, 32, new byte[32 * 32 * 4]));
            var samples = new MemoryStream();
            var to = new BinaryWriter(samples);
            WireWriter.PutRay(to, Ray);
            WireWriter.PutRay(to, new GazeRay(123456789013L, Vector3.zero, Vector3.forward, 0f));
            to.Flush();
            Line("rays", WireWriter.Rays(2, samples.ToArray()));
            Line("ping", WireWriter.Ping(3, 50L, -7L, 4L));
            Line("pin", WireWriter.Command(CommandAction.Pin, Protocol.AtFlag, 5, 0, 77L, null));
            Line("pin_ray", WireWriter.Command(CommandAction.Pin, Protocol.RayFlag, 6, 0, 0, Ray));
            Line("unpin", WireWriter.Command(CommandAction.Unpin, 0, 9, 4, 0, null));
            Line("rename", WireWriter.ObjectCommand(ObjectAction.Rename, 10, 4, 0, "cup"));
            Line("confirmation", WireWriter.Confirmation());
            Line("merge", WireWriter.ObjectCommand(ObjectAction.Merge, 11, 4, 5, ""));
        }

        public static void Decode()
        {
            for (string line = Console.ReadLine(); !string.IsNullOrEmpty(line); line = Console.ReadLine())
            {
                byte[] bytes = Enumerable.Range(0, line.Length / 2).Select(i => Convert.ToByte(line.Substring(2 * i, 2), 16)).ToArray();
                var from = new BinaryReader(new MemoryStream(bytes, Protocol.HeaderBytes, bytes.Length - Protocol.HeaderBytes));
                uint id = BitConverter.ToUInt32(bytes, 4);
                try
                {
                    switch ((MessageKind)bytes[0])
                    {
                        case MessageKind.Selection: Print(WireReader.Selection(from, id)); break;
                        case MessageKind.ObjectList:
                            foreach (KnownObject item in WireReader.ObjectList(from)) Print(item);
                            break;
                        case MessageKind.ObjectInfo: Print(WireReader.Info(from, id)); break;
                    }
                }
                catch (EndOfStreamException) { Console.WriteLine("incomplete"); }
            }
        }

        static void Print(FrameSelection shown)
        {
            Console.WriteLine($"selection {shown.FrameId} {shown.FrameTimeNs} {shown.ReceivedNs} {shown.SentNs} {shown.Session} " +
                              $"{shown.Width} {shown.Height} {shown.State} {shown.Origin} {shown.AgeMs} {shown.Fixation.x} {shown.Fixation.y}");
            foreach (var stage in shown.StagesMs) Console.WriteLine($"stage {stage.Key} {stage.Value}");
            foreach (SelectedObject item in shown.Objects)
            {
                var image = new byte[shown.Width * shown.Height];
                item.Paint(image, shown.Width, shown.Height);
                var upside = new byte[shown.Width * shown.Height];
                item.Paint(upside, shown.Width, shown.Height, 1, true);
                Console.WriteLine($"object {item.ObjectId} {item.IsGazeTarget} {item.IsPinned} {item.Score} {item.Box.xMin} {item.Box.yMin} " +
                                  $"{item.Box.xMax} {item.Box.yMax} {item.AreaPx} {Indices(image)} {Indices(upside)}");
            }
        }

        static void Print(KnownObject item) => Console.WriteLine(
            $"known {item.ObjectId} {item.IsPinned} {item.FirstSeenNs} {item.LastSeenNs} {item.DwellMs} {item.Visits} {item.Box.xMin} {item.Box.yMax} {item.Label}");

        static void Print(ObjectInfo info)
        {
            foreach (var label in info.Labels) Console.WriteLine($"label {label.Key} {label.Value}");
            foreach (ObjectEvent item in info.Events)
                Console.WriteLine($"event {item.Kind} {item.TimeNs} {item.ObjectId} {item.OtherId} {item.Label}");
        }

        static string Indices(byte[] image) =>
            string.Join(",", Enumerable.Range(0, image.Length).Where(i => image[i] != 0).Select(i => i.ToString()).ToArray());

        static void Line(string name, byte[] message) => Console.WriteLine($"{name} {BitConverter.ToString(message).Replace("-", "")}");
    }
}
