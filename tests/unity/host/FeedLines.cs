using System;
using UnityEngine;

namespace SamEdge.Tests
{
    /// <summary>Which source GazeFeed uses while sources come and go.</summary>
    static class FeedLines
    {
        sealed class Source : GazeRaySource
        {
            public RayKind Is;
            public bool Has;
            public override RayKind Kind => Is;

            public override bool TryGetRay(out GazeRay ray)
            {
                ray = new GazeRay(MonotonicClock.NowNs(), Vector3.zero, Vector3.forward);
                return Has;
            }
        }

        public static void Print()
        {
            var scene = new GameObject();
            var client = scene.AddComponent<SamEdgeClient>();
            Source eye = Make(scene, RayKind.Eye), hand = Make(scene, RayKind.Hand), head = Make(scene, RayKind.Head);
            var feed = scene.AddComponent<GazeFeed>();
            feed.Configure(client, head, hand, eye);
            feed.SourceChanged += kind => Console.WriteLine($"uses {(kind.HasValue ? kind.Value.ToString() : "nothing")}");
            head.Has = hand.Has = eye.Has = true;
            Stage.Step();
            eye.Has = false;
            Stage.Step();
            Stage.Step();
            hand.Has = false;
            Stage.Step();
            head.Has = false;
            Stage.Step();
            eye.Has = true;
            Stage.Step();
            Stage.End();
        }

        static Source Make(GameObject scene, RayKind kind)
        {
            var made = scene.AddComponent<Source>();
            made.Is = kind;
            return made;
        }
    }
}
