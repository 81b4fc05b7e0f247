using System.Collections.Generic;
using System.IO;
using System.Text;
using UnityEngine;

namespace SamEdge
{
    /// <summary>Decodes the messages from the server. A message that is too short raises EndOfStreamException.</summary>
    static class WireReader
    {
        public static FrameSelection Selection(BinaryReader from, uint id)
        {
            var selection = new FrameSelection { FrameId = id };
            selection.FrameTimeNs = from.ReadInt64();
            selection.ReceivedNs = from.ReadInt64();
            selection.SentNs = from.ReadInt64();
            selection.Session = from.ReadUInt32();
            selection.Width = from.ReadUInt16();
            selection.Height = from.ReadUInt16();
            selection.State = (State)from.ReadByte();
            selection.Origin = (Origin)from.ReadByte();
            int stages = from.ReadByte(), objects = from.ReadByte();
            selection.AgeMs = from.ReadSingle();
            selection.Fixation = new Vector3(from.ReadSingle(), from.ReadSingle(), from.ReadSingle());
            for (int i = 0; i < stages; i++)
            {
                string name = Encoding.ASCII.GetString(Exactly(from, 12)).TrimEnd('\0');
                selection.StagesMs[name] = from.ReadSingle();
            }
            for (int i = 0; i < objects; i++) selection.Objects.Add(Object(from));
            return selection;
        }

        public static SelectedObject Object(BinaryReader from)
        {
            var item = new SelectedObject { ObjectId = from.ReadUInt32() };
            byte flags = from.ReadByte();
            item.IsGazeTarget = (flags & 1) != 0;
            item.IsPinned = (flags & 2) != 0;
            from.ReadByte();
            from.ReadUInt16();
            item.Score = from.ReadSingle();
            float x0 = from.ReadSingle(), y0 = from.ReadSingle(), x1 = from.ReadSingle(), y1 = from.ReadSingle();
            item.Box = Rect.MinMaxRect(x0, y0, x1, y1);
            item.Rectangle = new RectInt(from.ReadUInt16(), from.ReadUInt16(), from.ReadUInt16(), from.ReadUInt16());
            item.AreaPx = from.ReadUInt32();
            int mask = checked((int)from.ReadUInt32()), polygons = checked((int)from.ReadUInt32());
            item.Runs = Exactly(from, mask);
            Exactly(from, (4 - mask % 4) % 4 + polygons);
            return item;
        }

        public static ObjectInfo Info(BinaryReader from, uint id)
        {
            int labelCount = from.ReadUInt16(), eventCount = from.ReadUInt16();
            var info = new ObjectInfo { FrameId = id };
            for (int i = 0; i < labelCount; i++)
            {
                uint objectId = from.ReadUInt32();
                info.Labels[objectId] = Text(from);
            }
            for (int i = 0; i < eventCount; i++) info.Events.Add(Event(from));
            return info;
        }

        public static ObjectEvent Event(BinaryReader from)
        {
            var happened = new ObjectEvent { TimeNs = from.ReadInt64(), Kind = (EventKind)from.ReadByte() };
            Exactly(from, 3);
            happened.ObjectId = from.ReadUInt32();
            happened.OtherId = from.ReadUInt32();
            happened.Label = Text(from);
            return happened;
        }

        public static List<KnownObject> ObjectList(BinaryReader from)
        {
            from.ReadUInt32();
            int count = from.ReadUInt16();
            Exactly(from, 2);
            var known = new List<KnownObject>();
            for (int i = 0; i < count; i++) known.Add(Known(from));
            return known;
        }

        public static KnownObject Known(BinaryReader from)
        {
            var item = new KnownObject { ObjectId = from.ReadUInt32(), IsPinned = (from.ReadByte() & 1) != 0 };
            Exactly(from, 3);
            item.FirstSeenNs = from.ReadInt64();
            item.LastSeenNs = from.ReadInt64();
            item.DwellMs = from.ReadUInt32();
            item.Visits = from.ReadUInt32();
            float x0 = from.ReadSingle(), y0 = from.ReadSingle(), x1 = from.ReadSingle(), y1 = from.ReadSingle();
            item.Box = Rect.MinMaxRect(x0, y0, x1, y1);
            item.Label = Text(from);
            return item;
        }

        public static string Text(BinaryReader from) => Encoding.UTF8.GetString(Exactly(from, from.ReadUInt16()));

        public static byte[] Exactly(BinaryReader from, int count)
        {
            byte[] bytes = from.ReadBytes(count);
            if (bytes.Length < count) throw new EndOfStreamException();
            return bytes;
        }
    }

    /// <summary>Labels and events of the selection that follows.</summary>
    sealed class ObjectInfo
    {
        public uint FrameId;
        public readonly Dictionary<uint, string> Labels = new Dictionary<uint, string>();
        public readonly List<ObjectEvent> Events = new List<ObjectEvent>();

        public void AddTo(FrameSelection selection)
        {
            if (FrameId != selection.FrameId) return;
            foreach (SelectedObject item in selection.Objects)
                if (Labels.TryGetValue(item.ObjectId, out string label)) item.Label = label;
            selection.Events = Events;
        }
    }
}
