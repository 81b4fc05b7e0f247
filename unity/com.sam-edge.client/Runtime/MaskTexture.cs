using System;
using UnityEngine;

namespace SamEdge
{
    /// <summary>A texture of the masks of a selection: white, its alpha the mask. Draw it over the frame that it belongs to.</summary>
    public sealed class MaskTexture : IDisposable
    {
        byte[] alpha = new byte[0];

        /// <summary>Of the frame's size, format Alpha8; null before the first selection.</summary>
        public Texture2D Texture { get; private set; }

        /// <summary>Show the objects of a selection that the function accepts; without a function the gaze target.</summary>
        public void Show(FrameSelection selection, Func<SelectedObject, bool> which = null)
        {
            Resize(selection.Width, selection.Height);
            Array.Clear(alpha, 0, alpha.Length);
            foreach (SelectedObject item in selection.Objects)
                if (which == null ? item.IsGazeTarget : which(item))
                    item.Paint(alpha, selection.Width, selection.Height, 255, true);
            Texture.LoadRawTextureData(alpha);
            Texture.Apply();
        }

        public void Dispose()
        {
            if (Texture != null) UnityEngine.Object.Destroy(Texture);
            Texture = null;
        }

        void Resize(int width, int height)
        {
            if (Texture != null && Texture.width == width && Texture.height == height) return;
            Dispose();
            Texture = new Texture2D(width, height, TextureFormat.Alpha8, false);
            alpha = new byte[width * height];
        }
    }
}
