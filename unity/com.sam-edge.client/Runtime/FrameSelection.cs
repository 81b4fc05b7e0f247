using System.Collections.Generic;
using UnityEngine;

namespace SamEdge
{
    /// <summary>The objects selected in one frame.</summary>
    public sealed class FrameSelection
    {
        public uint FrameId;
        /// <summary>Rises with each reset; object numbers start again with it.</summary>
        public uint Session;
        /// <summary>Capture time of the frame, nanoseconds of <see cref="MonotonicClock"/>.</summary>
        public long FrameTimeNs;
        /// <summary>Arrival of the frame and sending of this selection, nanoseconds of the server's clock.</summary>
        public long ReceivedNs, SentNs;
        /// <summary>Size of the frame, pixels.</summary>
        public int Width, Height;
        public State State;
        public Origin Origin;
        /// <summary>How much older than this frame the frame is on which the gaze target's mask was decoded, milliseconds.</summary>
        public float AgeMs;
        /// <summary>x and y of the fixation and its spread, pixels; NaN while the gaze moves.</summary>
        public Vector3 Fixation;
        /// <summary>Where the camera was when the frame was captured, if it was sent with the frame; axes of Unity.</summary>
        public Pose? CameraInWorld;
        /// <summary>Milliseconds that each stage took on the server, by name.</summary>
        public readonly Dictionary<string, float> StagesMs = new Dictionary<string, float>();
        /// <summary>The gaze target first, if there is one; then the pinned objects, oldest first.</summary>
        public readonly List<SelectedObject> Objects = new List<SelectedObject>();
        /// <summary>What happened since the selection before; empty before the first of ListObjects, Rename, Merge and Forget.</summary>
        public List<ObjectEvent> Events = new List<ObjectEvent>();

        /// <summary>False while the gaze target looks like background and one dwell alone is on it: outline it, do not fill it.
        /// Always true before AskForConfirmation.</summary>
        public bool IsConfirmed = true;

        /// <summary>The object that is looked at; null if there is none.</summary>
        public SelectedObject GazeTarget => Objects.Count > 0 && Objects[0].IsGazeTarget ? Objects[0] : null;

        /// <summary>The object with this number; null if it is not in this selection.</summary>
        public SelectedObject Find(uint objectId) => Objects.Find(item => item.ObjectId == objectId);
    }
}
