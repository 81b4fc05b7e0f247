using System;
using System.Collections.Generic;
using System.Reflection;

namespace UnityEngine
{
    /// <summary>Plays Unity's part: calls the components' methods, and gives the picture, the mouse and the screen.</summary>
    public static class Stage
    {
        static readonly List<MonoBehaviour> components = new List<MonoBehaviour>(), started = new List<MonoBehaviour>();

        public static int Width = 640, Height = 480, Pressed = -1;
        public static Vector3 Mouse;
        public static Func<byte[]> Jpeg = () => throw new InvalidOperationException("the test gives no picture");
        public static Action<object> Warn = message => Console.Error.WriteLine(message);

        internal static void Added(Component component)
        {
            if (!(component is MonoBehaviour behaviour)) return;
            components.Add(behaviour);
            Call(behaviour, "OnEnable");
        }

        /// <summary>One frame of the program: Start of new components, then Update of all, then OnGUI.</summary>
        public static void Step()
        {
            foreach (MonoBehaviour item in components.ToArray())
            {
                if (started.Contains(item)) continue;
                started.Add(item);
                Call(item, "Start");
            }
            foreach (MonoBehaviour item in components.ToArray()) if (item.enabled) Call(item, "Update");
            foreach (MonoBehaviour item in components.ToArray()) if (item.enabled) Call(item, "OnGUI");
            Pressed = -1;
        }

        public static void End()
        {
            foreach (MonoBehaviour item in components) Call(item, "OnDisable");
            foreach (MonoBehaviour item in components) Call(item, "OnDestroy");
            components.Clear();
        }

        public static void Call(MonoBehaviour item, string method)
        {
            MethodInfo found = item.GetType().GetMethod(method, BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public);
            try { found?.Invoke(item, null); }
            catch (TargetInvocationException error) { throw error.InnerException ?? error; }
        }
    }
}
