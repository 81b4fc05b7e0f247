using System;
using System.Threading;
using UnityEngine;

namespace SamEdge.Tests
{
    /// <summary>What a client says of a server that it cannot use: the first error, and what follows within 2.5 seconds unless it
    /// is the network, which is tried each second.</summary>
    static class RefusedLines
    {
        const int MostSteps = 3000, StepMs = 10, WaitSteps = 250;

        public static void Print(string url)
        {
            var client = new GameObject().AddComponent<SamEdgeClient>();
            Stage.Call(client, "OnDisable");
            client.Url = url;
            int left = MostSteps;
            client.ErrorReceived += (code, text) =>
            {
                Console.WriteLine($"error {code} {text}");
                left = code == 0 ? 0 : Math.Min(left, WaitSteps);
            };
            Stage.Call(client, "OnEnable");
            for (; left > 0; left--)
            {
                Stage.Step();
                Thread.Sleep(StepMs);
            }
            Stage.End();
        }
    }
}
