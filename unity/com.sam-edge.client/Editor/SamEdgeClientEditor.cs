using UnityEditor;

namespace SamEdge.Editor
{
    /// <summary>Shows in the inspector whether the server answers.</summary>
    [CustomEditor(typeof(SamEdgeClient))]
    public sealed class SamEdgeClientEditor : UnityEditor.Editor
    {
        public override bool RequiresConstantRepaint() => EditorApplication.isPlaying;

        public override void OnInspectorGUI()
        {
            DrawDefaultInspector();
            var client = (SamEdgeClient)target;
            if (!EditorApplication.isPlaying)
            {
                EditorGUILayout.HelpBox("Start the server with `sam-edge serve`, then press Play.", MessageType.Info);
            }
            else if (client.IsConnected)
            {
                long? offsetNs = client.ClockOffsetNs;
                string related = offsetNs.HasValue ? "the clocks are related" : "the clocks are not yet related";
                EditorGUILayout.HelpBox($"Connected; {related}.", MessageType.Info);
            }
            else
            {
                EditorGUILayout.HelpBox($"No connection to {client.Url}. Is `sam-edge serve` running there?", MessageType.Warning);
            }
        }
    }
}
