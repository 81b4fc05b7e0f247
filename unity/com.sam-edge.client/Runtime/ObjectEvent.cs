namespace SamEdge
{
    /// <summary>Something that happened to an object.</summary>
    public sealed class ObjectEvent
    {
        public EventKind Kind;
        /// <summary>Capture time of the newest frame then, nanoseconds of <see cref="MonotonicClock"/>.</summary>
        public long TimeNs;
        /// <summary>Of two objects that were merged: the one whose number is kept.</summary>
        public uint ObjectId;
        /// <summary>Of two objects that were merged: the number that is no longer used; else 0.</summary>
        public uint OtherId;
        /// <summary>The object's label after the event; empty without one.</summary>
        public string Label;
    }
}
