using System.Collections.Generic;

namespace SamEdge
{
    /// <summary>Offset of the server's clock, from the shortest of the last round trips.</summary>
    sealed class ClockSync
    {
        const int RoundTripsKept = 12;

        readonly Queue<(long roundTrip, long offset)> pings = new Queue<(long, long)>();

        /// <summary>Server's minus own clock, nanoseconds; null before the first answer.</summary>
        public long? OffsetNs => pings.Count > 0 ? Best().offset : (long?)null;

        /// <summary>Half of the shortest round trip, nanoseconds; -1 before the first answer.</summary>
        public long UncertaintyNs => pings.Count > 0 ? Best().roundTrip / 2 : -1;

        /// <summary>Add an answer: times of sending (own clock), arrival and answer (server's clock), and its arrival (own).</summary>
        public void Add(long sentNs, long receivedNs, long answeredNs, long backNs)
        {
            pings.Enqueue(((backNs - sentNs) - (answeredNs - receivedNs), ((receivedNs - sentNs) + (answeredNs - backNs)) / 2));
            if (pings.Count > RoundTripsKept) pings.Dequeue();
        }

        public void Clear() => pings.Clear();

        (long roundTrip, long offset) Best()
        {
            (long roundTrip, long offset) best = (long.MaxValue, 0);
            foreach ((long roundTrip, long offset) ping in pings)
                if (ping.roundTrip < best.roundTrip) best = ping;
            return best;
        }
    }
}
