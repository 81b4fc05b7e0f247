using UnityEngine;

namespace SamEdge.Samples
{
    /// <summary>A headset without hardware: a camera of the scene takes the frames, the mouse is the eye tracker, a click pins.
    /// Add it to an empty scene and press Play; it makes what it needs.</summary>
    [AddComponentMenu("SAM Edge/Samples/Fake Headset")]
    public sealed class FakeHeadset : MonoBehaviour
    {
        [SerializeField] SamEdgeClient client;
        [SerializeField, Tooltip("Takes the frames, and is the head; the main camera unless set.")] Camera head;
        [SerializeField] int width = 640, height = 480;
        [SerializeField, Range(1, 100)] int jpegQuality = 80;
        [SerializeField, Tooltip("Fill an empty scene with some objects to look at.")] bool makeObjects = true;

        readonly MaskTexture mask = new MaskTexture();
        RenderTexture target;
        Texture2D picture;
        FrameSelection selection;
        string message = "";

        /// <summary>The newest selection; null before the first.</summary>
        public FrameSelection Selection => selection;

        void Start()
        {
            if (client == null) client = GetComponent<SamEdgeClient>();
            if (client == null) client = gameObject.AddComponent<SamEdgeClient>();
            if (head == null) head = Camera.main != null ? Camera.main : new GameObject("Head").AddComponent<Camera>();
            if (makeObjects) DemoScene.Fill(head);
            target = new RenderTexture(width, height, 24);
            picture = new Texture2D(width, height, TextureFormat.RGB24, false);
            client.SelectionReceived += Show;
            client.ErrorReceived += (code, text) => message = text;
            client.ConnectedChanged += connected => message = connected ? "" : message;
            // The camera is the head, so that its pose on the head is the identity.
            client.SetCamera(CameraModel.FromFieldOfView(width, height, head.fieldOfView), Pose.identity);
        }

        void OnDestroy()
        {
            client.SelectionReceived -= Show;
            mask.Dispose();
            Destroy(target);
            Destroy(picture);
        }

        void Update()
        {
            GazeRay gaze = MouseRay();
            client.AddRay(gaze);
            if (Input.GetMouseButtonDown(0)) client.Pin(gaze.TimeNs);
            if (Input.GetMouseButtonDown(1)) client.Unpin();
            if (client.WantsFrame) SendFrame();
        }

        // The mouse as an eye tracker: a steady rate, invalid while it is outside the window.
        GazeRay MouseRay()
        {
            Vector3 mouse = Input.mousePosition;
            bool inside = mouse.x >= 0 && mouse.y >= 0 && mouse.x < Screen.width && mouse.y < Screen.height;
            Ray ray = head.ScreenPointToRay(mouse);
            var pose = new Pose(head.transform.position, head.transform.rotation);
            return GazeRay.InHeadSpace(MonotonicClock.NowNs(), ray.origin, ray.direction, pose, inside ? 1f : 0f);
        }

        void SendFrame()
        {
            long timeNs = MonotonicClock.NowNs();
            var pose = new Pose(head.transform.position, head.transform.rotation);
            RenderTexture shown = head.targetTexture, active = RenderTexture.active;
            head.targetTexture = target;
            head.Render();
            RenderTexture.active = target;
            picture.ReadPixels(new Rect(0, 0, width, height), 0, 0);
            RenderTexture.active = active;
            head.targetTexture = shown;
            client.SendJpeg(picture.EncodeToJPG(jpegQuality), width, height, timeNs, pose);
        }

        void Show(FrameSelection received)
        {
            selection = received;
            mask.Show(received, item => item.IsGazeTarget || item.IsPinned);
        }

        void OnGUI()
        {
            if (selection != null && mask.Texture != null)
            {
                GUI.color = new Color(0.2f, 1f, 0.5f, 0.45f);
                GUI.DrawTexture(new Rect(0, 0, Screen.width, Screen.height), mask.Texture);
                GUI.color = Color.white;
                GUI.Label(new Rect(8, 8, 600, 24), Describe(selection));
            }
            GUI.Label(new Rect(8, 32, 1000, 24), message);
        }

        static string Describe(FrameSelection shown)
        {
            SelectedObject looked = shown.GazeTarget;
            string name = looked == null ? "" : looked.Label.Length > 0 ? looked.Label : $"object {looked.ObjectId}";
            return $"{shown.State} {name}  {shown.AgeMs:0} ms old";
        }
    }
}
