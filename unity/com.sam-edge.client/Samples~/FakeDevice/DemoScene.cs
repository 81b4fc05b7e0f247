using UnityEngine;

namespace SamEdge.Samples
{
    /// <summary>Some coloured things on a table in front of a camera.</summary>
    static class DemoScene
    {
        static readonly PrimitiveType[] Shapes =
            { PrimitiveType.Sphere, PrimitiveType.Cube, PrimitiveType.Cylinder, PrimitiveType.Capsule };

        static readonly Color[] Colours = { Color.red, Color.yellow, Color.blue, Color.green };

        /// <summary>Add them 2 metres in front of the camera, half a metre from each other, on a grey table.</summary>
        public static void Fill(Camera before)
        {
            Transform view = before.transform;
            Vector3 centre = view.position + view.rotation * new Vector3(0f, -0.2f, 2f);
            for (int i = 0; i < Shapes.Length; i++)
            {
                Vector3 place = centre + view.rotation * new Vector3((i - 1.5f) * 0.5f, 0f, 0f);
                Make(Shapes[i], Colours[i], place, Vector3.one * 0.3f);
            }
            Make(PrimitiveType.Cube, Color.grey, centre + new Vector3(0f, -0.35f, 0f), new Vector3(4f, 0.1f, 1.5f));
        }

        static void Make(PrimitiveType shape, Color colour, Vector3 place, Vector3 size)
        {
            GameObject made = GameObject.CreatePrimitive(shape);
            made.transform.position = place;
            made.transform.localScale = size;
            made.GetComponent<Renderer>().material.color = colour;
        }
    }
}
