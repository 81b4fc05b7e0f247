using System;
using UnityEngine;

namespace SamEdge.Tests
{
    /// <summary>Rays, points and projections of a camera that is turned and moved, and a ray of the world in head space.</summary>
    static class CameraLines
    {
        public static void Print()
        {
            var camera = new CameraModel(640, 480, 500f, 520f, 310f, 250f);
            var pose = new Pose(new Vector3(1f, 2f, 3f), Quaternion.Euler(new Vector3(10f, 30f, -5f)));
            Ray ray = camera.RayThrough(new Vector2(100f, 50f), pose);
            Console.WriteLine($"ray {Text(ray.origin)} {Text(ray.direction)}");
            Vector3 point = camera.PointAt(new Vector2(100f, 50f), pose, 2.5f);
            Vector2 back = camera.Project(point, pose).Value;
            Console.WriteLine($"point {Text(point)}");
            Console.WriteLine($"back {back.x} {back.y}");
            Console.WriteLine($"behind {camera.Project(pose.position - pose.rotation * Vector3.forward, pose).HasValue}");
            foreach (Vector3 corner in camera.Quad(Rect.MinMaxRect(100f, 50f, 200f, 150f), pose, 2.5f)) Console.WriteLine($"corner {Text(corner)}");
            Vector3 bottomLeft = camera.RayThrough(new Vector2(0f, 480f), Pose.identity).direction;
            Vector3 topRight = camera.RayThrough(new Vector2(640f, 0f), Pose.identity).direction;
            CameraModel found = CameraModel.FromCorners(640, 480, bottomLeft, topRight);
            Console.WriteLine($"found {found.Fx} {found.Fy} {found.Cx} {found.Cy}");
            CameraModel half = camera.Scaled(320, 240);
            Console.WriteLine($"half {half.Fx} {half.Fy} {half.Cx} {half.Cy}");
            CameraModel seen = CameraModel.FromFieldOfView(640, 480, 60f);
            Console.WriteLine($"fov {seen.Fx} {seen.Fy} {seen.Cx} {seen.Cy}");
            GazeRay inHead = GazeRay.InHeadSpace(1L, new Vector3(1f, 2f, 4f), new Vector3(0f, 0f, 1f), pose);
            Console.WriteLine($"head {Text(inHead.Origin)} {Text(inHead.Direction)}");
        }

        static string Text(Vector3 v) => $"{v.x} {v.y} {v.z}";
    }
}
