using System;
using System.Collections.Generic;
using UnityEngine;

namespace SamEdge
{
    /// <summary>Sends the rays of the best source that has one: eye, then hand, then head.</summary>
    [AddComponentMenu("SAM Edge/Gaze Feed")]
    public sealed class GazeFeed : MonoBehaviour
    {
        [SerializeField] SamEdgeClient client;
        [SerializeField, Tooltip("Any order; the kind decides. Eye rays are used before hand rays, hand rays before head rays.")]
        List<GazeRaySource> sources = new List<GazeRaySource>();

        RayKind? current;

        /// <summary>Raised when another kind of source is used: eye, hand, head, or null for none.</summary>
        public event Action<RayKind?> SourceChanged;

        /// <summary>What the rays come from now; null for none.</summary>
        public RayKind? Current => current;

        /// <summary>Use this client and these sources instead of those set in the inspector.</summary>
        public void Configure(SamEdgeClient to, params GazeRaySource[] from)
        {
            client = to;
            sources = new List<GazeRaySource>(from);
        }

        void Update()
        {
            RayKind? used = null;
            if (TryGetBest(out GazeRay ray, out RayKind kind))
            {
                used = kind;
                client.AddRay(ray);
            }
            else
            {
                // The server must know that there is no gaze, or the last sample would count on.
                client.AddRay(new GazeRay(MonotonicClock.NowNs(), Vector3.zero, Vector3.forward, 0f));
            }
            if (used == current) return;
            current = used;
            SourceChanged?.Invoke(used);
        }

        bool TryGetBest(out GazeRay ray, out RayKind kind)
        {
            for (kind = RayKind.Eye; kind <= RayKind.Head; kind++)
                foreach (GazeRaySource source in sources)
                    if (source != null && source.Kind == kind && source.TryGetRay(out ray)) return true;
            ray = default(GazeRay);
            return false;
        }
    }
}
