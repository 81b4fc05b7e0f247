using System;
using UnityEngine;

namespace SamEdge
{
    /// <summary>Places its game object on what is looked at: in the direction of the mask's centre, at a distance.</summary>
    [AddComponentMenu("SAM Edge/Selection Anchor")]
    public sealed class SelectionAnchor : MonoBehaviour
    {
        [SerializeField] SamEdgeClient client;
        [SerializeField, Tooltip("Distance that is used where nothing measures it, metres along the camera's axis.")]
        float distanceM = 2f;

        /// <summary>Measures how far a ray of the world goes until it meets something, metres; null: unknown. Set it to your
        /// device's depth, for example an environment raycast.</summary>
        public Func<Ray, float?> MeasureDistance;

        /// <summary>Raised after the anchor moved: the object, and the corners of its box in the world.</summary>
        public event Action<SelectedObject, Vector3[]> Moved;

        /// <summary>Use this client instead of the one set in the inspector.</summary>
        public void Configure(SamEdgeClient from)
        {
            if (client != null) client.SelectionReceived -= Place;
            client = from;
            if (client != null) client.SelectionReceived += Place;
        }

        void OnEnable() { if (client != null) Configure(client); }

        void OnDisable() { if (client != null) client.SelectionReceived -= Place; }

        void Place(FrameSelection selection)
        {
            SelectedObject target = selection.GazeTarget;
            if (target == null || !selection.CameraInWorld.HasValue || !client.Camera.HasValue) return;
            Pose camera = selection.CameraInWorld.Value;
            CameraModel model = client.Camera.Value.Scaled(selection.Width, selection.Height);
            Ray ray = model.RayThrough(target.Box.center, camera);
            float? along = MeasureDistance?.Invoke(ray);
            Vector3 forward = camera.rotation * Vector3.forward;
            // A measured distance is along the ray; the box is placed along the camera's axis.
            float distance = along.HasValue ? along.Value * Vector3.Dot(ray.direction, forward) : distanceM;
            transform.position = model.PointAt(target.Box.center, camera, distance);
            Moved?.Invoke(target, model.Quad(target.Box, camera, distance));
        }
    }
}
