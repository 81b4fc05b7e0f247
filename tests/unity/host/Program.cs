using System;
using System.Globalization;
using System.Threading;

namespace SamEdge.Tests
{
    /// <summary>What the Python tests ask for: encode, decode, camera, play. Prints lines that they read.</summary>
    static class Program
    {
        static int Main(string[] arguments)
        {
            Thread.CurrentThread.CurrentCulture = CultureInfo.InvariantCulture;
            switch (arguments[0])
            {
                case "encode": WireLines.Encode(); return 0;
                case "decode": WireLines.Decode(); return 0;
                case "camera": CameraLines.Print(); return 0;
                case "feed": FeedLines.Print(); return 0;
                case "refused": RefusedLines.Print(arguments[1]); return 0;
                case "play": return PlayLines.Play(arguments[1], arguments[2], arguments[3]);
                default: return 2;
            }
        }
    }
}
