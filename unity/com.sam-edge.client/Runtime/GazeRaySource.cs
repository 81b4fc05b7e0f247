using UnityEngine;

namespace SamEdge
{
    /// <summary>Something that gives rays: an eye tracker, a hand, the head. Derive a component from it for your device.</summary>
    public abstract class GazeRaySource : MonoBehaviour
    {
        public abstract RayKind Kind { get; }

        /// <summary>The newest sample, in head space.</summary>
        /// <returns>False while the source has none: no permission, no hardware, not tracked.</returns>
        public abstract bool TryGetRay(out GazeRay ray);
    }
}
