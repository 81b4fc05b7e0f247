using UnityEngine;
using UnityEngine.InputSystem;

namespace SamEdge.Samples
{
    /// <summary>The ray of a hand or controller, for headsets without eye tracking.</summary>
    [AddComponentMenu("SAM Edge/Samples/OpenXR Hand Ray")]
    public sealed class OpenXrHandRay : GazeRaySource
    {
        [SerializeField] bool rightHand = true;

        TrackedPose hand, head;

        public override RayKind Kind => RayKind.Hand;

        void OnEnable()
        {
            string device = rightHand ? "<XRController>{RightHand}" : "<XRController>{LeftHand}";
            hand = new TrackedPose(device + "/pointerPosition", device + "/pointerRotation", device + "/isTracked");
            head = new TrackedPose("<XRHMD>/centerEyePosition", "<XRHMD>/centerEyeRotation", "<XRHMD>/isTracked");
        }

        void OnDisable()
        {
            hand.Dispose();
            head.Dispose();
        }

        public override bool TryGetRay(out GazeRay ray)
        {
            ray = default(GazeRay);
            if (!head.TryGet(out Pose headPose) || !hand.TryGet(out Pose pointer)) return false;
            ray = GazeRay.InHeadSpace(MonotonicClock.NowNs(), pointer.position, pointer.rotation * Vector3.forward, headPose);
            return true;
        }
    }
}
