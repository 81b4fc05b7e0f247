using UnityEngine;

namespace SamEdge.Samples
{
    /// <summary>Frames of a camera that Unity offers as a WebCamTexture. It says neither intrinsics nor pose nor time, so measure
    /// them once for your device and enter them here; a wrong field of view puts the gaze beside what is looked at.</summary>
    [AddComponentMenu("SAM Edge/Samples/Device Camera Feed")]
    public sealed class DeviceCameraFeed : MonoBehaviour
    {
        [SerializeField] SamEdgeClient client;
        [SerializeField, Tooltip("Name of the device; the first one if empty.")] string deviceName = "";
        [SerializeField] int width = 640, height = 480;
        [SerializeField, Tooltip("Degrees, of the picture's height.")] float verticalFieldOfViewDeg = 60f;
        [SerializeField, Tooltip("Position of the camera in the space of the head, metres.")] Vector3 positionOnHead;
        [SerializeField, Tooltip("Rotation of the camera in the space of the head, degrees.")] Vector3 rotationOnHeadDeg;
        [SerializeField, Tooltip("How old a frame is when it arrives, milliseconds.")] float latencyMs = 50f;
        [SerializeField, Range(1, 100)] int jpegQuality = 80;

        WebCamTexture source;
        Texture2D picture;

        void OnEnable()
        {
            source = new WebCamTexture(deviceName, width, height, 30);
            source.Play();
        }

        void OnDisable()
        {
            source.Stop();
            Destroy(source);
            if (picture != null) Destroy(picture);
            picture = null;
        }

        void Update()
        {
            // Before its first frame a camera reports a size of 16x16.
            if (!source.didUpdateThisFrame || source.width < 32 || !client.WantsFrame) return;
            if (picture == null) Begin();
            picture.SetPixels32(source.GetPixels32());
            long timeNs = MonotonicClock.NowNs() - (long)(latencyMs * 1e6f);
            client.SendJpeg(picture.EncodeToJPG(jpegQuality), picture.width, picture.height, timeNs);
        }

        void Begin()
        {
            picture = new Texture2D(source.width, source.height, TextureFormat.RGB24, false);
            var onHead = new Pose(positionOnHead, Quaternion.Euler(rotationOnHeadDeg));
            client.SetCamera(CameraModel.FromFieldOfView(source.width, source.height, verticalFieldOfViewDeg), onHead);
        }
    }
}
