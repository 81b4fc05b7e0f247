using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading;
using SamEdge.Samples;
using UnityEngine;

namespace SamEdge.Tests
{
    /// <summary>Runs the sample's fake headset against a server: a folder of JPEG files is its camera, a table its mouse.</summary>
    static class PlayLines
    {
        const double FramesPerS = 24, StepMs = 10, EndS = 120;

        /// <summary>Plays until the pinned object has been selected with its label, or for two minutes.</summary>
        public static int Play(string url, string folder, string gazeFile)
        {
            string[] frames = Directory.GetFiles(folder, "*.jpg").OrderBy(name => name).ToArray();
            List<double[]> gaze = File.ReadLines(gazeFile).Skip(1)
                .Select(line => line.Split(',').Take(3).Select(cell => double.Parse(cell, CultureInfo.InvariantCulture)).ToArray()).ToList();
            double length = frames.Length / FramesPerS, seconds = 0;
            Stage.Jpeg = () => File.ReadAllBytes(frames[(int)(seconds % length * FramesPerS)]);
            Stage.Warn = message => Console.WriteLine($"warning {message}");
            var scene = new GameObject("Fake headset");
            var client = scene.AddComponent<SamEdgeClient>();
            Restart(client, url);
            var headset = scene.AddComponent<FakeHeadset>();
            uint pinned = 0;
            bool done = false;
            client.ConnectedChanged += connected => Console.WriteLine($"connected {connected}");
            client.ErrorReceived += (code, text) => Console.WriteLine($"error {code} {text}");
            client.CommandAnswered += (id, objectId) =>
            {
                Console.WriteLine($"answered {id} {objectId}");
                pinned = objectId;
                if (objectId != 0) client.Rename(objectId, "thing");
            };
            client.SelectionReceived += selection =>
            {
                Print(selection);
                SelectedObject item = pinned == 0 ? null : selection.Find(pinned);
                done |= item != null && item.IsPinned && item.Label == "thing" && client.ClockOffsetNs.HasValue;
            };
            bool clicked = false;
            for (; !done && seconds < EndS; seconds += StepMs / 1000)
            {
                double[] at = gaze[gaze.FindLastIndex(row => row[0] <= seconds % length)];
                Stage.Mouse = new Vector3((float)at[1], Stage.Height - (float)at[2], 0f);
                FrameSelection shown = headset.Selection;
                if (!clicked && shown != null && shown.State == State.Focused) { Stage.Pressed = 0; clicked = true; }
                Stage.Step();
                Thread.Sleep((int)StepMs);
            }
            Console.WriteLine($"offset {client.ClockOffsetNs.HasValue}");
            Stage.End();
            return done ? 0 : 1;
        }

        static void Restart(SamEdgeClient client, string url)
        {
            Stage.Call(client, "OnDisable");
            client.Url = url;
            Stage.Call(client, "OnEnable");
        }

        static void Print(FrameSelection shown)
        {
            SelectedObject target = shown.GazeTarget;
            string box = target == null ? "" : $"{target.ObjectId} {target.Box.xMin} {target.Box.yMin} {target.Box.xMax} {target.Box.yMax} {target.AreaPx}";
            Console.WriteLine($"selection {shown.FrameId} {shown.State} {shown.CameraInWorld.HasValue} {shown.Width} {shown.Height} {box}");
        }
    }
}
