using System;
using Meta.XR;
using UnityEngine;

namespace SamEdge.Samples
{
    /// <summary>Frames of the passthrough camera of Quest 3 and 3S, with its intrinsics, pose and capture time. Needs
    /// com.meta.xr.mrutilitykit 81 or later and the permission horizonos.permission.HEADSET_CAMERA. These headsets have no eye
    /// tracking: use the hand ray with PinOnRay, or GazeFeed with the head.</summary>
    [AddComponentMenu("SAM Edge/Samples/Quest Passthrough Feed")]
    public sealed class QuestPassthroughFeed : MonoBehaviour
    {
        [SerializeField] SamEdgeClient client;
        [SerializeField] PassthroughCameraAccess passthrough;
        [SerializeField, Tooltip("The rig's centre eye: the space of the rays.")] Transform head;
        [SerializeField, Range(1, 100)] int jpegQuality = 80;
        [SerializeField, Tooltip("Frames are scaled to this width, pixels.")] int width = 640;

        const double MostAgeMs = 500;

        RenderTexture scaled;
        Texture2D picture;
        bool cameraIsSet;

        void OnDisable()
        {
            if (scaled != null) Destroy(scaled);
            if (picture != null) Destroy(picture);
            scaled = null;
            picture = null;
            cameraIsSet = false;
        }

        void Update()
        {
            if (!passthrough.enabled || !passthrough.IsPlaying || !passthrough.IsUpdatedThisFrame || !client.WantsFrame) return;
            Texture source = passthrough.GetTexture();
            int height = width * source.height / source.width;
            Pose camera = passthrough.GetCameraPose();
            if (!cameraIsSet) SetCamera(height, camera);
            client.SendJpeg(Encode(source, height), width, height, CaptureTimeNs(), camera);
        }

        // The rays through the corners of the picture say what the camera is, whatever part of the sensor it shows.
        void SetCamera(int height, Pose camera)
        {
            Quaternion toCamera = Quaternion.Inverse(camera.rotation);
            Vector3 bottomLeft = toCamera * passthrough.ViewportPointToRay(new Vector2(0f, 0f)).direction;
            Vector3 topRight = toCamera * passthrough.ViewportPointToRay(new Vector2(1f, 1f)).direction;
            Quaternion toHead = Quaternion.Inverse(head.rotation);
            var onHead = new Pose(toHead * (camera.position - head.position), toHead * camera.rotation);
            client.SetCamera(CameraModel.FromCorners(width, height, bottomLeft, topRight), onHead);
            cameraIsSet = true;
        }

        byte[] Encode(Texture source, int height)
        {
            if (scaled == null)
            {
                scaled = new RenderTexture(width, height, 0);
                picture = new Texture2D(width, height, TextureFormat.RGB24, false);
            }
            Graphics.Blit(source, scaled);
            RenderTexture active = RenderTexture.active;
            RenderTexture.active = scaled;
            picture.ReadPixels(new Rect(0, 0, width, height), 0, 0);
            RenderTexture.active = active;
            return picture.EncodeToJPG(jpegQuality);
        }

        long CaptureTimeNs()
        {
            DateTime utc = passthrough.Timestamp.ToUniversalTime();
            double ageMs = (DateTime.UtcNow - utc).TotalMilliseconds;
            if (ageMs >= 0 && ageMs <= MostAgeMs) return MonotonicClock.FromUtc(utc);
            Debug.LogWarning($"SAM Edge: the passthrough camera says that its frame is {ageMs:0} ms old; 0 to {MostAgeMs} is " +
                             "plausible. The frame is stamped with the time of its arrival.", this);
            return MonotonicClock.NowNs();
        }
    }
}
