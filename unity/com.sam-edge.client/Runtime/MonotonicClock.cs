using System;
using System.Diagnostics;

namespace SamEdge
{
    /// <summary>The clock of frames, gaze and commands: nanoseconds that never jump.</summary>
    public static class MonotonicClock
    {
        /// <summary>Nanoseconds since an arbitrary moment.</summary>
        public static long NowNs() => (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));

        /// <summary>Convert the time of a picture or sample that the system's calendar clock stamped.</summary>
        /// <param name="utc">When it was captured.</param>
        /// <returns>The time on this clock. A time in the future counts as now.</returns>
        public static long FromUtc(DateTime utc)
        {
            double ageMs = (DateTime.UtcNow - utc).TotalMilliseconds;
            return NowNs() - (long)(Math.Max(0, ageMs) * 1e6);
        }
    }
}
