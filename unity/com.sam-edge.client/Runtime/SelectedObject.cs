using System;
using UnityEngine;

namespace SamEdge
{
    /// <summary>One object in a selection. Pixels are those of the frame: x right, y down, the origin at the top left.</summary>
    public sealed class SelectedObject
    {
        /// <summary>From 1. An object that gaze returns to has its number again.</summary>
        public uint ObjectId;
        public bool IsGazeTarget, IsPinned;
        /// <summary>The IoU that the model predicts for the mask, 0..1.</summary>
        public float Score;
        /// <summary>Box round the mask, pixels.</summary>
        public Rect Box;
        /// <summary>The whole pixels that the mask's runs describe.</summary>
        public RectInt Rectangle;
        public uint AreaPx;
        /// <summary>Lengths of runs along the rows of Rectangle, outside and inside in turn, each 4 bytes, little-endian.</summary>
        public byte[] Runs;
        /// <summary>Empty without a label, and before the first of ListObjects, Rename, Merge and Forget.</summary>
        public string Label = "";

        /// <summary>Write the mask into an image of one byte a pixel: `value` on the object, the rest stays as it is.</summary>
        /// <param name="image">At least frameWidth x frameHeight bytes.</param>
        /// <param name="bottomUp">Whether the image begins with its lowest row, as Unity's textures do.</param>
        public void Paint(byte[] image, int frameWidth, int frameHeight, byte value = 255, bool bottomUp = false)
        {
            if (image.Length < frameWidth * frameHeight)
                throw new ArgumentException($"the image has {image.Length} bytes, a mask of {frameWidth}x{frameHeight} needs {frameWidth * frameHeight}");
            bool inside = false;
            int at = 0;
            for (int run = 0; run + 4 <= Runs.Length; run += 4)
            {
                int left = (int)BitConverter.ToUInt32(Runs, run);
                while (inside && left > 0)
                {
                    int row = at / Rectangle.width, column = at % Rectangle.width;
                    int length = Math.Min(left, Rectangle.width - column);
                    int y = Rectangle.y + row;
                    if (bottomUp) y = frameHeight - 1 - y;
                    int begin = y * frameWidth + Rectangle.x + column;
                    for (int i = begin; i < begin + length; i++) image[i] = value;
                    at += length;
                    left -= length;
                }
                at += left;
                inside = !inside;
            }
        }
    }
}
