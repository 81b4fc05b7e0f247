using UnityEngine;

namespace SamEdge
{
    /// <summary>What a ray comes from, best first.</summary>
    public enum RayKind { Eye = 1, Hand = 2, Head = 3 }

    /// <summary>One sample of a tracker: a ray in head space, axes of Unity (+x right, +y up, +z forward).</summary>
    public struct GazeRay
    {
        /// <summary>When the sample was measured, nanoseconds of <see cref="MonotonicClock"/>.</summary>
        public long TimeNs;
        /// <summary>Metres.</summary>
        public Vector3 Origin;
        /// <summary>Its length is ignored.</summary>
        public Vector3 Direction;
        /// <summary>0..1; 0 while the eyes are closed or not visible.</summary>
        public float Confidence;
        /// <summary>Distance from the origin to the point of regard, metres; NaN: unknown.</summary>
        public float DepthM;

        public GazeRay(long timeNs, Vector3 origin, Vector3 direction, float confidence = 1f, float depthM = float.NaN)
        {
            TimeNs = timeNs;
            Origin = origin;
            Direction = direction;
            Confidence = confidence;
            DepthM = depthM;
        }

        /// <summary>Convert a ray of the tracking space or the world into the space of the head.</summary>
        /// <param name="head">Position and rotation of the head in the space of the ray.</param>
        public static GazeRay InHeadSpace(long timeNs, Vector3 origin, Vector3 direction, Pose head, float confidence = 1f)
        {
            Quaternion toHead = Quaternion.Inverse(head.rotation);
            return new GazeRay(timeNs, toHead * (origin - head.position), toHead * direction, confidence);
        }
    }
}
