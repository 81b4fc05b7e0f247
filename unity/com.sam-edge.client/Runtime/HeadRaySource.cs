using UnityEngine;

namespace SamEdge
{
    /// <summary>The direction of the head: what remains where a device gives neither eyes nor hands.</summary>
    [AddComponentMenu("SAM Edge/Head Ray Source")]
    public sealed class HeadRaySource : GazeRaySource
    {
        public override RayKind Kind => RayKind.Head;

        public override bool TryGetRay(out GazeRay ray)
        {
            ray = new GazeRay(MonotonicClock.NowNs(), Vector3.zero, Vector3.forward);
            return true;
        }
    }
}
