using System;
using System.Collections.Generic;
using UnityEngine;
using UnityEngine.Android;

namespace SamEdge.Samples
{
    /// <summary>Asks for the permissions of eye gaze and camera on Android XR, then enables the components that need them.</summary>
    [AddComponentMenu("SAM Edge/Samples/Android XR Permissions")]
    public sealed class AndroidXrPermissions : MonoBehaviour
    {
        /// <summary>Precise gaze for selection. Both permissions must be in the manifest, too.</summary>
        public const string EyeTracking = "android.permission.EYE_TRACKING_FINE";

        [SerializeField, Tooltip("Disabled until gaze is permitted: the OpenXR eye gaze source.")] Behaviour[] needGaze = { };
        [SerializeField, Tooltip("Disabled until the camera is permitted: the camera feed.")] Behaviour[] needCamera = { };

        /// <summary>Raised with a permission that the person refused.</summary>
        public event Action<string> Refused;

        void Start()
        {
            Set(needGaze, Permission.HasUserAuthorizedPermission(EyeTracking));
            Set(needCamera, Permission.HasUserAuthorizedPermission(Permission.Camera));
            var wanted = new List<string>();
            foreach (string permission in new[] { EyeTracking, Permission.Camera })
                if (!Permission.HasUserAuthorizedPermission(permission)) wanted.Add(permission);
            if (wanted.Count == 0) return;
            var answers = new PermissionCallbacks();
            answers.PermissionGranted += Granted;
            answers.PermissionDenied += Denied;
            Permission.RequestUserPermissions(wanted.ToArray(), answers);
        }

        void Granted(string permission) => Set(permission == EyeTracking ? needGaze : needCamera, true);

        void Denied(string permission)
        {
            Debug.LogWarning($"SAM Edge: {permission} was refused. " + (permission == EyeTracking
                ? "Use a hand or head ray instead (GazeFeed)." : "Without the camera there are no frames to select in."), this);
            Refused?.Invoke(permission);
        }

        static void Set(Behaviour[] components, bool to)
        {
            foreach (Behaviour component in components) component.enabled = to;
        }
    }
}
