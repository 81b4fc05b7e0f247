using UnityEngine;

namespace SamEdge
{
    /// <summary>An object that the session knows: it was looked at or pinned.</summary>
    public sealed class KnownObject
    {
        public uint ObjectId;
        public bool IsPinned;
        /// <summary>For how long gaze has rested on it, all visits together, milliseconds.</summary>
        public uint DwellMs;
        /// <summary>How often it became the gaze target.</summary>
        public uint Visits;
        /// <summary>Capture times of the first and the newest frame on which it was the gaze target, nanoseconds.</summary>
        public long FirstSeenNs, LastSeenNs;
        /// <summary>Where it was last seen, pixels of that frame: x right, y down.</summary>
        public Rect Box;
        /// <summary>Empty without a label.</summary>
        public string Label;
    }
}
