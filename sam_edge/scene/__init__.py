"""Live scene cameras: frames with the time at which they were taken, opened by an address.

    with sam_edge.scene.open("neon://neon.local") as camera:
        while (frame := camera.read(1.0)) is not None:
            print(frame.time_ns, frame.image.shape)

Times are on this computer's monotonic clock, as those of `sam_edge.gaze` are, so that frames and gaze meet.
"""

from sam_edge.scene.camera import CameraStats, LiveFrame, SceneCamera
from sam_edge.scene.registry import CAMERA_SCHEMES, open

__all__ = ["CAMERA_SCHEMES", "CameraStats", "LiveFrame", "SceneCamera", "open"]
