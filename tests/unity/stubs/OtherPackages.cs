// Declarations of other packages that samples use: com.unity.inputsystem, com.meta.xr.mrutilitykit, and the editor.

using System;
using System.Collections.Generic;
using UnityEngine;

namespace UnityEngine.InputSystem
{
    public sealed class InputControl { }

    public sealed class InputAction : IDisposable
    {
        public InputAction(string name = null, string binding = null) { }
        public IReadOnlyList<InputControl> controls { get; } = new List<InputControl>();
        public void Enable() { }
        public void Dispose() { }
        public T ReadValue<T>() where T : struct => default(T);
    }
}

namespace Meta.XR
{
    public sealed class PassthroughCameraAccess : MonoBehaviour
    {
        public bool IsPlaying => false;
        public bool IsUpdatedThisFrame => false;
        public DateTime Timestamp => DateTime.UtcNow;
        public Texture GetTexture() => null;
        public Pose GetCameraPose() => Pose.identity;
        public Ray ViewportPointToRay(Vector2 point, Pose? cameraPose = null) => default(Ray);
    }
}

namespace UnityEditor
{
    [AttributeUsage(AttributeTargets.Class)] public sealed class CustomEditorAttribute : Attribute { public CustomEditorAttribute(Type type) { } }

    public enum MessageType { None, Info, Warning, Error }

    public class Editor : UnityEngine.Object
    {
        public UnityEngine.Object target { get; set; }
        public virtual bool RequiresConstantRepaint() => false;
        public virtual void OnInspectorGUI() { }
        public bool DrawDefaultInspector() => true;
    }

    public static class EditorApplication { public static bool isPlaying => false; }

    public static class EditorGUILayout { public static void HelpBox(string message, MessageType type) { } }
}
