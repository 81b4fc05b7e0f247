"""Finds the face and the eyes in a frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.gaze.webcam.crops import Floats
from sam_edge.gaze.webcam.eyes import Eye, EyeFinder
from sam_edge.gaze.webcam.head import CORNERS, FaceShape, HeadPose, PinholeCamera, PoseFinder, ShapeLearner
from sam_edge.gaze.webcam.iris import Circle, fit_circles
from sam_edge.gaze.webcam.landmarks import FaceMesh
from sam_edge.gaze.webcam.line_of_sight import EyeRays
from sam_edge.gaze.webcam.template import FaceTemplate

_LEARNING_LOOKS, _TEMPLATE_LOOKS = 2, 24
"""Further looks at each frame while the face's shape is learned, and at the one that is kept."""
_LOST_FRAMES = 30
"""The template image is replaced after this many frames that do not look like it."""


@dataclass(frozen=True, slots=True)
class Face:
    """What one frame tells of the face nearest to the camera."""

    landmarks: Floats
    """Float64 (468, 3): x and y in frame pixels, depth in the same unit."""
    eyes: tuple[Eye, Eye]
    """The eyes on the left and the right of the image."""
    irises: tuple[Circle | None, Circle | None]
    """The irises' borders; None where none was to be seen, as in a blink."""
    pose: HeadPose
    """Where the head is."""
    camera: PinholeCamera
    """What the image was taken with."""

    @property
    def openness(self) -> float:
        """Mean openness of the eyes; see `Eye.openness`."""
        return (self.eyes[0].openness + self.eyes[1].openness) / 2

    @property
    def iris_centres_px(self) -> Floats:
        """Centres of the irises, float64 (2, 2), frame pixels; the network's where no border was to be seen."""
        return np.array(
            [
                eye.centre_px if iris is None else (iris.x_px, iris.y_px)
                for eye, iris in zip(self.eyes, self.irises, strict=True)
            ]
        )

    @property
    def look(self) -> EyeRays:
        """What is needed to tell where the eyes look."""
        return EyeRays(self.pose, self.camera.rays(self.iris_centres_px))


class FaceTracker:
    """Follows one face through the frames of one camera."""

    def __init__(self, *, fov_deg: float = 78.0, shape: FaceShape | None = None) -> None:
        """Open the networks.

        Args:
            fov_deg: how wide the camera sees, along the diagonal of its image.
            shape: the face's shape where it is known, from a calibration; learned in the first second otherwise.
        """
        if not 20.0 <= fov_deg <= 150.0:
            raise InputError(
                f"fov_deg is {fov_deg}; accepted are 20 to 150 degrees along the image's diagonal"
            )
        self._fov_deg = fov_deg
        self._mesh = FaceMesh()
        self._eyes = EyeFinder()
        self._shape = shape
        self._learner = ShapeLearner()
        self._ready: tuple[PinholeCamera, PoseFinder] | None = None
        self._template: FaceTemplate | None = None
        self._unlike = _LOST_FRAMES

    def find(self, image: NDArray[np.uint8]) -> Face | None:
        """Return the face in an RGB frame (H, W, 3), or None."""
        camera, poses = self._ready_for(image)
        found = self._find_pose(image, poses)
        if found is None:
            # The landmarks may have stayed where the face was; then the detector knows better.
            self._mesh.forget()
            found = self._find_pose(image, poses)
        if found is None:
            self._mesh.forget()
            return None
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        landmarks, pose = found
        if not poses.learned:
            landmarks = self._mesh.mean(image, landmarks, looks=_LEARNING_LOOKS)
            pose = poses.find(landmarks) or pose
            poses.shape = self._learner.learn(landmarks, pose, camera)
            poses.learned = self._learner.done
        else:
            pose = self._align(image, grey, landmarks, pose, poses)
            landmarks = _with_corners(landmarks, pose, camera)
        eyes = self._eyes.find(image, landmarks)
        radius_px = (eyes[0].iris_diameter_px + eyes[1].iris_diameter_px) / 4
        starts = np.array([eye.centre_px for eye in eyes])
        left, right = fit_circles(grey, starts, [eye.lids_px for eye in eyes], max(radius_px, 1.0))
        return Face(landmarks, eyes, (left, right), pose, camera)

    def _align(
        self,
        image: NDArray[np.uint8],
        grey: NDArray[np.uint8],
        landmarks: Floats,
        pose: HeadPose,
        poses: PoseFinder,
    ) -> HeadPose:
        """Return the pose by comparison with the kept image; the landmarks' own where that says nothing."""
        found = None if self._template is None else self._template.align(grey, landmarks, pose)
        self._unlike = 0 if found is not None else self._unlike + 1
        if found is not None or self._unlike <= _LOST_FRAMES:
            return found or pose
        self._unlike = 0
        mean = self._mesh.mean(image, landmarks, looks=_TEMPLATE_LOOKS)
        pose = poses.find(mean) or pose
        self._template = FaceTemplate.of(grey, mean, pose, poses.camera)
        return pose

    @property
    def shape(self) -> FaceShape | None:
        """The face's shape, once it is learned."""
        return self._ready[1].shape if self._ready is not None and self._ready[1].learned else None

    def _find_pose(self, image: NDArray[np.uint8], poses: PoseFinder) -> tuple[Floats, HeadPose] | None:
        landmarks = self._mesh.find(image)
        pose = None if landmarks is None else poses.find(landmarks)
        return None if landmarks is None or pose is None else (landmarks, pose)

    def _ready_for(self, image: NDArray[np.uint8]) -> tuple[PinholeCamera, PoseFinder]:
        size = (image.shape[0], image.shape[1])
        if self._ready is None or self._ready[0].size != size:
            camera = PinholeCamera.of_view(size, fov_deg=self._fov_deg)
            # The face stays who it is when the camera's images get another size.
            self._ready = (camera, PoseFinder(camera, self.shape or self._shape))
            self._template, self._unlike = None, _LOST_FRAMES
            self._mesh.forget()
        return self._ready


def _with_corners(landmarks: Floats, pose: HeadPose, camera: PinholeCamera) -> Floats:
    """Return landmarks with the eyes' corners where the pose has them: they tremble less."""
    made: Floats = landmarks.copy()
    made[list(CORNERS), :2] = camera.project(pose.corners_mm)
    return made
