using System;
using UnityEngine;
using UnityEngine.InputSystem;

namespace SamEdge.Samples
{
    /// <summary>Position and rotation of a device of the Input System, in tracking space.</summary>
    sealed class TrackedPose : IDisposable
    {
        readonly InputAction position, rotation, tracked;

        public TrackedPose(string positionPath, string rotationPath, string trackedPath)
        {
            position = new InputAction(binding: positionPath);
            rotation = new InputAction(binding: rotationPath);
            tracked = new InputAction(binding: trackedPath);
            position.Enable();
            rotation.Enable();
            tracked.Enable();
        }

        /// <summary>Whether there is a device with these controls.</summary>
        public bool IsBound => rotation.controls.Count > 0;

        /// <summary>Read the pose. False if there is no device or it is not tracked.</summary>
        public bool TryGet(out Pose pose)
        {
            pose = Pose.identity;
            if (!IsBound || tracked.ReadValue<float>() < 0.5f) return false;
            pose = new Pose(position.ReadValue<Vector3>(), rotation.ReadValue<Quaternion>());
            return true;
        }

        public void Dispose()
        {
            position.Dispose();
            rotation.Dispose();
            tracked.Dispose();
        }
    }
}
