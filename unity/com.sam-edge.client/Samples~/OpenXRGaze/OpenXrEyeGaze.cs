using UnityEngine;
using UnityEngine.InputSystem;

namespace SamEdge.Samples
{
    /// <summary>Eye gaze by OpenXR's XR_EXT_eye_gaze_interaction. Enable "Eye Gaze Interaction Profile" in Project Settings > XR
    /// Plug-in Management > OpenXR. The device must grant its permission for eye tracking.</summary>
    [AddComponentMenu("SAM Edge/Samples/OpenXR Eye Gaze")]
    public sealed class OpenXrEyeGaze : GazeRaySource
    {
        TrackedPose eyes, head;

        public override RayKind Kind => RayKind.Eye;

        void OnEnable()
        {
            eyes = new TrackedPose("<EyeGaze>/pose/position", "<EyeGaze>/pose/rotation", "<EyeGaze>/pose/isTracked");
            head = new TrackedPose("<XRHMD>/centerEyePosition", "<XRHMD>/centerEyeRotation", "<XRHMD>/isTracked");
        }

        void OnDisable()
        {
            eyes.Dispose();
            head.Dispose();
        }

        public override bool TryGetRay(out GazeRay ray)
        {
            // The Input System does not say when the sample was measured: this is the time of reading it.
            long timeNs = MonotonicClock.NowNs();
            ray = default(GazeRay);
            if (!head.TryGet(out Pose headPose)) return false;
            // Without the device or its permission there is no control; closed eyes are a sample without confidence.
            if (!eyes.IsBound) return false;
            bool seen = eyes.TryGet(out Pose gaze);
            ray = GazeRay.InHeadSpace(timeNs, gaze.position, gaze.rotation * Vector3.forward, headPose, seen ? 1f : 0f);
            return true;
        }
    }
}
