using System;
using UnityEngine;

namespace SamEdge
{
    /// <summary>A pinhole camera. Pixels: x right, y down, the first pixel's centre at 0.5. Space: x right, y up, z forward.</summary>
    [Serializable]
    public struct CameraModel
    {
        /// <summary>Size of the image, pixels.</summary>
        public int Width, Height;
        /// <summary>Focal length, pixels.</summary>
        public float Fx, Fy;
        /// <summary>Principal point, pixels from the top left.</summary>
        public float Cx, Cy;

        public CameraModel(int width, int height, float fx, float fy, float cx, float cy)
        {
            Width = width;
            Height = height;
            Fx = fx;
            Fy = fy;
            Cx = cx;
            Cy = cy;
        }

        /// <summary>Describe a camera that Unity renders with, for images of this size.</summary>
        /// <param name="verticalFieldOfViewDeg">Camera.fieldOfView.</param>
        public static CameraModel FromFieldOfView(int width, int height, float verticalFieldOfViewDeg)
        {
            float focal = height / 2f / (float)Math.Tan(verticalFieldOfViewDeg * Math.PI / 360);
            return new CameraModel(width, height, focal, focal, width / 2f, height / 2f);
        }

        /// <summary>Find the camera whose rays through the corners of its image are known.</summary>
        /// <param name="bottomLeft">Direction through the image's lower left corner, in the camera's space.</param>
        /// <param name="topRight">Direction through its upper right corner.</param>
        public static CameraModel FromCorners(int width, int height, Vector3 bottomLeft, Vector3 topRight)
        {
            if (bottomLeft.z <= 0 || topRight.z <= 0)
                throw new ArgumentException("the rays through the corners must point forward (z > 0)");
            float left = bottomLeft.x / bottomLeft.z, bottom = bottomLeft.y / bottomLeft.z;
            float right = topRight.x / topRight.z, top = topRight.y / topRight.z;
            float fx = width / (right - left), fy = height / (top - bottom);
            return new CameraModel(width, height, fx, fy, -left * fx, top * fy);
        }

        /// <summary>The same camera for images of another size and the same field of view.</summary>
        public CameraModel Scaled(int width, int height)
        {
            float x = (float)width / Width, y = (float)height / Height;
            return new CameraModel(width, height, Fx * x, Fy * y, Cx * x, Cy * y);
        }

        /// <summary>The ray through a pixel, in the world.</summary>
        /// <param name="pixel">x right, y down.</param>
        /// <param name="camera">Pose of the camera in the world.</param>
        public Ray RayThrough(Vector2 pixel, Pose camera)
        {
            var direction = new Vector3((pixel.x - Cx) / Fx, (Cy - pixel.y) / Fy, 1f);
            return new Ray(camera.position, camera.rotation * direction);
        }

        /// <summary>The pixel that shows a point of the world; null if the point is not in front of the camera.</summary>
        public Vector2? Project(Vector3 world, Pose camera)
        {
            Vector3 local = Quaternion.Inverse(camera.rotation) * (world - camera.position);
            if (local.z <= 0) return null;
            return new Vector2(Cx + Fx * local.x / local.z, Cy - Fy * local.y / local.z);
        }

        /// <summary>Where the corners of a box lie at a distance: top left, top right, bottom right, bottom left.</summary>
        /// <param name="box">Pixels, x right, y down.</param>
        /// <param name="distanceM">Distance along the camera's axis, metres.</param>
        public Vector3[] Quad(Rect box, Pose camera, float distanceM) => new[]
        {
            PointAt(new Vector2(box.xMin, box.yMin), camera, distanceM),
            PointAt(new Vector2(box.xMax, box.yMin), camera, distanceM),
            PointAt(new Vector2(box.xMax, box.yMax), camera, distanceM),
            PointAt(new Vector2(box.xMin, box.yMax), camera, distanceM)
        };

        /// <summary>The point of the world that a pixel shows, if it is this far away along the camera's axis, metres.</summary>
        public Vector3 PointAt(Vector2 pixel, Pose camera, float distanceM)
        {
            var local = new Vector3((pixel.x - Cx) / Fx, (Cy - pixel.y) / Fy, 1f);
            return camera.position + camera.rotation * (local * distanceM);
        }
    }
}
