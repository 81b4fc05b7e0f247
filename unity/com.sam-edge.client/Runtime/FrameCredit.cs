using System;
using System.Collections.Generic;

namespace SamEdge
{
    /// <summary>How many frames the server accepts, and at which rate.</summary>
    sealed class FrameCredit
    {
        readonly HashSet<uint> inFlight = new HashSet<uint>();
        int window;
        float maxPerS = 1f, framesPerS;
        long dueNs;
        uint lastFrameId;

        long IntervalNs => (long)(1e9 / Math.Min(framesPerS > 0 ? framesPerS : maxPerS, maxPerS));

        /// <summary>Begin with the limits of the server's welcome.</summary>
        public void Open(int frames, float mostPerS)
        {
            window = frames;
            maxPerS = Math.Max(1f, mostPerS);
            framesPerS = 0f;
            dueNs = 0;
        }

        /// <summary>Accept other limits; a rate of 0 means no limit besides the welcome's.</summary>
        public void Grant(int frames, float ratePerS, long nowNs)
        {
            window = frames;
            framesPerS = ratePerS;
            dueNs = Math.Min(dueNs, nowNs + IntervalNs);
        }

        /// <summary>Whether window and rate allow a frame now. It may be early by a fifth of the interval.</summary>
        public bool MaySend(long nowNs) => inFlight.Count < window && nowNs >= dueNs - IntervalNs / 5;

        /// <summary>Count a frame and return its number.</summary>
        public uint Take(long nowNs)
        {
            lastFrameId = lastFrameId == uint.MaxValue ? 1 : lastFrameId + 1;
            inFlight.Add(lastFrameId);
            // A frame that the camera delivered late does not delay the next one, so that the mean rate is met.
            dueNs = Math.Max(dueNs, nowNs - IntervalNs) + IntervalNs;
            return lastFrameId;
        }

        public void Answered(uint frameId) => inFlight.Remove(frameId);

        public void Close()
        {
            inFlight.Clear();
            window = 0;
        }
    }
}
