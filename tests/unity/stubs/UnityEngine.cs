// Declarations of UnityEngine that the package and its samples use: enough to compile them, and to run them without Unity. Cameras
// do not render: Stage gives the pictures.

using System;
using System.Collections.Generic;

namespace UnityEngine
{
    [AttributeUsage(AttributeTargets.Field)] public sealed class SerializeFieldAttribute : Attribute { }
    [AttributeUsage(AttributeTargets.Field)] public sealed class TooltipAttribute : Attribute { public TooltipAttribute(string text) { } }
    [AttributeUsage(AttributeTargets.Field)] public sealed class RangeAttribute : Attribute { public RangeAttribute(float low, float high) { } }
    [AttributeUsage(AttributeTargets.Class)] public sealed class AddComponentMenuAttribute : Attribute { public AddComponentMenuAttribute(string path) { } }

    public class Object
    {
        public static void Destroy(Object which) { }
        public static bool operator ==(Object a, Object b) => ReferenceEquals(a, b);
        public static bool operator !=(Object a, Object b) => !ReferenceEquals(a, b);
        public override bool Equals(object other) => ReferenceEquals(this, other);
        public override int GetHashCode() => base.GetHashCode();
    }

    public class Component : Object
    {
        public GameObject gameObject { get; internal set; }
        public Transform transform => gameObject.transform;
        public T GetComponent<T>() where T : Component => gameObject.GetComponent<T>();
    }

    public class Behaviour : Component { public bool enabled { get; set; } = true; }

    public class MonoBehaviour : Behaviour { }

    public sealed class Transform : Component
    {
        public Vector3 position, localScale = Vector3.one;
        public Quaternion rotation = Quaternion.identity;
    }

    public enum PrimitiveType { Sphere, Capsule, Cylinder, Cube }

    public sealed class GameObject : Object
    {
        readonly List<Component> components = new List<Component>();
        public Transform transform { get; }

        public GameObject(string name = "") { transform = AddComponent<Transform>(); }

        public static GameObject CreatePrimitive(PrimitiveType type)
        {
            var made = new GameObject(type.ToString());
            made.AddComponent<Renderer>();
            return made;
        }

        public T AddComponent<T>() where T : Component, new()
        {
            var added = new T { gameObject = this };
            components.Add(added);
            Stage.Added(added);
            return added;
        }

        public T GetComponent<T>() where T : Component => components.Find(item => item is T) as T;
    }

    public struct Color
    {
        public float r, g, b, a;
        public Color(float r, float g, float b, float a = 1f) { this.r = r; this.g = g; this.b = b; this.a = a; }
        public static Color white => new Color(1, 1, 1);
        public static Color grey => new Color(.5f, .5f, .5f);
        public static Color red => new Color(1, 0, 0);
        public static Color green => new Color(0, 1, 0);
        public static Color blue => new Color(0, 0, 1);
        public static Color yellow => new Color(1, 0.92f, 0.016f);
    }

    public struct Color32 { public byte r, g, b, a; }

    public sealed class Material : Object { public Color color { get; set; } }

    public sealed class Renderer : Component { public Material material { get; } = new Material(); }

    public class Texture : Object { public int width { get; protected set; } public int height { get; protected set; } }

    public enum TextureFormat { Alpha8 = 1, RGB24 = 3, RGBA32 = 4 }

    public sealed class Texture2D : Texture
    {
        /// <summary>What was loaded; for tests.</summary>
        public byte[] Raw { get; private set; }
        public Texture2D(int width, int height, TextureFormat format, bool mipChain) { this.width = width; this.height = height; }
        public void LoadRawTextureData(byte[] data) { Raw = (byte[])data.Clone(); }
        public void Apply() { }
        public void ReadPixels(Rect source, int x, int y) { }
        public void SetPixels32(Color32[] pixels) { }
    }

    public sealed class RenderTexture : Texture
    {
        public static RenderTexture active { get; set; }
        public RenderTexture(int width, int height, int depth) { this.width = width; this.height = height; }
    }

    public sealed class WebCamTexture : Texture
    {
        public bool didUpdateThisFrame => false;
        public WebCamTexture(string device, int width, int height, int framesPerS) { this.width = width; this.height = height; }
        public void Play() { }
        public void Stop() { }
        public Color32[] GetPixels32() => new Color32[width * height];
    }

    public static class Graphics { public static void Blit(Texture from, RenderTexture to) { } }

    public static class ImageConversion { public static byte[] EncodeToJPG(this Texture2D texture, int quality) => Stage.Jpeg(); }

    public sealed class Camera : Behaviour
    {
        public static Camera main => null;
        public float fieldOfView { get; set; } = 60f;
        public RenderTexture targetTexture { get; set; }
        public void Render() { }

        public Ray ScreenPointToRay(Vector3 point)
        {
            double tangent = Math.Tan(fieldOfView * Math.PI / 360);
            float aspect = (float)Screen.width / Screen.height;
            float x = (float)((point.x / Screen.width * 2 - 1) * tangent * aspect), y = (float)((point.y / Screen.height * 2 - 1) * tangent);
            return new Ray(transform.position, transform.rotation * new Vector3(x, y, 1f));
        }
    }

    public static class Screen { public static int width => Stage.Width; public static int height => Stage.Height; }

    public static class Input
    {
        public static Vector3 mousePosition => Stage.Mouse;
        public static bool GetMouseButtonDown(int button) => Stage.Pressed == button;
    }

    public static class Application { public static string unityVersion => "stub"; }

    public static class SystemInfo { public static string deviceModel => "no device"; }

    public static class Debug { public static void LogWarning(object message, Object context = null) => Stage.Warn(message); }

    public static class GUI
    {
        public static Color color { get; set; }
        public static void DrawTexture(Rect place, Texture texture) { }
        public static void Label(Rect place, string text) { }
    }
}

namespace UnityEngine.Android
{
    public sealed class PermissionCallbacks
    {
        public event Action<string> PermissionGranted, PermissionDenied;
        public void Answer(string permission, bool granted) => (granted ? PermissionGranted : PermissionDenied)?.Invoke(permission);
    }

    public static class Permission
    {
        public const string Camera = "android.permission.CAMERA";
        public static bool HasUserAuthorizedPermission(string permission) => false;
        public static void RequestUserPermissions(string[] permissions, PermissionCallbacks callbacks) { }
    }
}
