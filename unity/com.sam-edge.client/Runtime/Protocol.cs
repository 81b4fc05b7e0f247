// Numbers of the wire protocol, version 2 (docs/reference/protocol.md of sam-edge).

namespace SamEdge
{
    /// <summary>What the gaze target is.</summary>
    public enum State { None = 0, Hover = 1, Focused = 2, Held = 3, Lost = 4 }

    /// <summary>How a mask was made.</summary>
    public enum Origin { None = 0, Encoded = 1, Reused = 2, Propagated = 3, Followed = 4 }

    /// <summary>Why the server refused something. 0: the network.</summary>
    public enum ErrorCode
    {
        Malformed = 1, UnsupportedVersion = 2, Unauthorized = 3, TooLarge = 4, InvalidImage = 5, OutOfOrder = 6,
        InvalidOption = 7, RateLimit = 8, TooManyClients = 9, Timeout = 10, EngineFailed = 11, ShuttingDown = 12,
        TooManyWebcams = 13, UnknownObject = 14
    }

    /// <summary>What happened to an object.</summary>
    public enum EventKind { New = 1, Returned = 2, Merged = 3, Forgotten = 4, Renamed = 5 }

    enum MessageKind : byte
    {
        Hello = 0x01, Frame = 0x02, Rays = 0x04, Camera = 0x05, Command = 0x06, Ping = 0x07, ObjectCommand = 0x0f,
        Confirmation = 0x10,
        Welcome = 0x81, Selection = 0x82, Grant = 0x83, Skipped = 0x84, CommandResult = 0x85, Pong = 0x86, Error = 0x87,
        ObjectList = 0x8b, ObjectInfo = 0x8c, Unconfirmed = 0x8d
    }

    enum CommandAction : byte { Pin = 1, Unpin = 2 }

    enum ObjectAction : byte { List = 1, Rename = 2, Merge = 3, Forget = 4 }

    static class Protocol
    {
        public const byte ProtocolVersion = 2;
        public const byte MaskFormatRuns = 1, ImageFormatJpeg = 1, ImageFormatRgba = 4;
        public const byte BottomUpFlag = 0x02, AtFlag = 0x08, RayFlag = 0x20;
        public const int MaxSamples = 1024;
        public const int HeaderBytes = 8;
    }
}
