"""A face whose eyes look where they are told: a photograph on a mesh that turns, with eyeballs drawn behind its lids.

What is photographed (skin, lids, hair) comes from Eileen Collins's portrait (NASA, public domain), laid on the face's
landmarks and turned in space. What matters is drawn: two balls with sclera, iris, pupil and a glint, seen through the
opening of the lids by a camera without distortion. So it is known exactly where the eyes look and where the head is.

    face = RenderedFace(camera, screen)
    picture = face.render(Scene(target_px=(400.0, 300.0)))

The lids follow the eyes up and down, blinks close them; blur and noise are those of a webcam.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial import Delaunay

import sam_edge
from sam_edge.gaze.webcam.head import PinholeCamera
from sam_edge.gaze.webcam.landmarks import FaceMesh
from sam_edge.gaze.webcam.line_of_sight import Screen
from sam_edge.media.images import read_image

PORTRAIT = Path(sam_edge.__file__).parent / "assets" / "labelled" / "images" / "astronaut.jpg"
RINGS = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (362, 382, 381, 380, 374, 373, 390, 249, 263, 466, 388, 387, 386, 385, 384, 398),
)
"""Landmarks round the opening of each eye, left and right as seen: lower lid from left to right, then the upper one."""
LIDS = (223, 443)
"""Landmarks on the skin above each upper lid, below the brow."""
CORNERS_MM = 89.0
"""Distance of the outer corners of the eyes."""
UPPER_LID, LOWER_LID = 0.85, 0.4
"""How far the lids go with the eyes when these look up or down."""
_SPARE = 97


@dataclass(frozen=True)
class Eyes:
    """What is particular to one person's eyes."""

    radius_mm: float = 12.0
    """Radius of the eyeballs."""
    iris_mm: float = 5.85
    """Radius of the irises."""
    depth_mm: float = 9.5
    """How far the balls' centres lie behind the middle of the lids' opening."""
    shift_mm: tuple[float, float] = (0.0, 0.0)
    """How far the centres lie outwards and below the middle of the opening."""
    kappa_deg: tuple[float, float] = (5.0, -1.5)
    """How far the eyes' axes point outwards and down from where they look."""


@dataclass(frozen=True)
class Scene:
    """One moment."""

    target_px: tuple[float, float]
    """Where the eyes look, pixels of the screen."""
    position_mm: tuple[float, float, float] = (0.0, 60.0, 600.0)
    """Where the middle between the eyes is, in the camera's space."""
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Yaw, pitch and roll added to those of the portrait."""
    closed: float = 0.0
    """How far the lids are shut, 0..1."""
    blur_px: float = 0.7
    """Standard deviation of the lens's blur."""
    noise: float = 2.0
    """Standard deviation of the sensor's noise, grey levels."""


class RenderedFace:
    """Draws the face for one camera and one screen."""

    def __init__(
        self, camera: PinholeCamera, screen: Screen, eyes: Eyes | None = None, *, seed: int = 0
    ) -> None:
        self.camera, self.screen, self.eyes = camera, screen, eyes or Eyes()
        self._random = np.random.default_rng(seed)
        field = (camera.size[0] + _SPARE, camera.size[1] + _SPARE, 3)
        self._noise = self._random.standard_normal(field, np.float32)
        self._photo = read_image(PORTRAIT)
        landmarks = FaceMesh().find(self._photo)
        if landmarks is None:
            raise SystemExit(f"no face was found in {PORTRAIT}")
        self._source = landmarks[:, :2]
        scale = CORNERS_MM / float(np.hypot(*(landmarks[263] - landmarks[33])[:2]))
        middle = landmarks[[33, 263]].mean(axis=0)
        self._mesh = (landmarks - middle) * scale
        self._triangles = self._without_eyes(Delaunay(self._source).simplices)
        height, width = self._photo.shape[:2]
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
        self._sheet_source = corners
        depth = np.full((4, 1), float(self._mesh[[127, 356], 2].mean()))
        self._sheet = np.column_stack([(corners - middle[:2]) * scale, depth])

    def _without_eyes(self, triangles: np.ndarray) -> np.ndarray:
        rings = [set(ring) for ring in RINGS]
        return np.array([t for t in triangles if not any(set(map(int, t)) <= ring for ring in rings)])

    def centres_mm(self, scene: Scene) -> np.ndarray:
        """Return the centres of the two balls in the camera's space."""
        rotation, position = _rotation(scene.turn_deg), np.array(scene.position_mm)
        centres = np.array([self._centre(side) for side in (0, 1)])
        return np.asarray(centres @ rotation.T + position)

    def _centre(self, side: int) -> np.ndarray:
        out = (-1.0, 1.0)[side] * self.eyes.shift_mm[0]
        middle = self._mesh[list(RINGS[side])].mean(axis=0)
        return np.asarray(middle + np.array([out, self.eyes.shift_mm[1], self.eyes.depth_mm]))

    def axes(self, scene: Scene) -> np.ndarray:
        """Return the directions of the eyes' axes (2, 3): towards the target, then off by the angle kappa."""
        x, y = scene.target_px
        mm = self.screen.px_per_mm
        target = np.array([(self.screen.size[1] / 2 - x) / mm, y / mm + self.screen.camera_above_mm, 0.0])
        rotation = _rotation(scene.turn_deg)
        axes = []
        for side, centre in enumerate(self.centres_mm(scene)):
            look = rotation.T @ (target - centre)
            out = (-1.0, 1.0)[side] * self.eyes.kappa_deg[0]
            # Seen from the camera: a positive yaw turns the face to its left, which is the picture's right.
            axes.append(
                rotation @ _rotation((out, self.eyes.kappa_deg[1], 0.0)) @ (look / np.linalg.norm(look))
            )
        return np.array(axes)

    def render(self, scene: Scene) -> np.ndarray:
        """Return the camera's picture: RGB (H, W, 3)."""
        rotation, position = _rotation(scene.turn_deg), np.array(scene.position_mm)
        axes = self.axes(scene)
        mesh = self._with_lids(scene, rotation.T @ axes.T)
        points = mesh @ rotation.T + position
        pixels = self._project(points)
        height, width = self.camera.size
        sheet = self._project(self._sheet @ rotation.T + position)
        behind = cv2.getPerspectiveTransform(self._sheet_source.astype(np.float32), sheet.astype(np.float32))
        picture = cv2.warpPerspective(
            self._photo, behind, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        centres = self.centres_mm(scene)
        for side in (0, 1):
            self._draw_ball(picture, pixels[list(RINGS[side])], centres[side], axes[side])
        self._draw_skin(picture, pixels, points[:, 2])
        if scene.closed > 0.0:
            still = self._project(self._mesh @ rotation.T + position)
            for ring, above in zip(RINGS, LIDS, strict=True):
                self._draw_lid(picture, still[list(ring)], pixels[list(ring)], above)
        picture = cv2.GaussianBlur(picture, (0, 0), scene.blur_px) if scene.blur_px else picture
        # One field of noise, laid on anew for each picture: drawing it each time would take longer than all the rest.
        left, top = self._random.integers(0, _SPARE, 2)
        noise = self._noise[top : top + height, left : left + width] * np.float32(scene.noise)
        return np.asarray(np.clip(np.round(picture + noise), 0, 255), np.uint8)

    def _project(self, points: np.ndarray) -> np.ndarray:
        middle = np.array([self.camera.size[1] / 2, self.camera.size[0] / 2])
        return np.asarray(points[:, :2] / points[:, 2:] * self.camera.focal_px + middle)

    def _with_lids(self, scene: Scene, axes: np.ndarray) -> np.ndarray:
        mesh = self._mesh.copy()
        for side, ring in enumerate(RINGS):
            lower, upper = np.array(ring[1:8]), np.array(ring[:8:-1])
            down_mm = self.eyes.radius_mm * float(axes[1, side]) * np.sin(np.linspace(0, np.pi, 9)[1:-1])
            mesh[upper, 1] += UPPER_LID * down_mm
            mesh[lower, 1] += LOWER_LID * down_mm
            mesh[upper] += scene.closed * (mesh[lower] - mesh[upper])
        return np.asarray(mesh)

    def _draw_skin(self, picture: np.ndarray, pixels: np.ndarray, depths: np.ndarray) -> None:
        labels = np.zeros(picture.shape[:2], np.int32)
        order = np.argsort(-depths[self._triangles].mean(axis=1))
        maps = np.zeros((len(self._triangles) + 1, 2, 3))
        for index in order:
            corners = self._triangles[index]
            there = pixels[corners]
            (ax, ay), (bx, by) = there[1] - there[0], there[2] - there[0]
            if abs(ax * by - ay * bx) < 1e-3:
                continue
            square = np.column_stack([there, np.ones(3)])
            maps[index + 1] = np.linalg.solve(square, self._source[corners]).T
            fixed = np.round((there - 0.5) * 16).astype(np.int32)
            cv2.fillConvexPoly(labels, fixed, int(index) + 1, shift=4)
        left, top, wide, high = cv2.boundingRect((labels > 0).astype(np.uint8))
        part = labels[top : top + high, left : left + wide]
        used = maps[part]
        x, y = np.meshgrid(left + np.arange(wide) + 0.5, top + np.arange(high) + 0.5)
        source = used[..., 0] * x[..., None] + used[..., 1] * y[..., None] + used[..., 2] - 0.5
        # An empty second map: the first one holds both coordinates.
        skin = cv2.remap(
            self._photo,
            source.astype(np.float32),
            np.empty(0, np.float32),
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        where = part > 0
        picture[top : top + high, left : left + wide][where] = skin[where]

    def _draw_lid(self, picture: np.ndarray, still: np.ndarray, shut: np.ndarray, above: int) -> None:
        """Paint the lid that has come down in the colour of the skin above it, and its lashes."""
        x, y = np.round(self._source[above]).astype(int)
        colour = self._photo[y - 1 : y + 2, x - 1 : x + 2].mean(axis=(0, 1))
        came = np.concatenate([still[[0, *range(15, 8, -1), 8]] - (0.0, 1.0), shut[8:]])
        cv2.fillPoly(picture, [np.round((came - 0.5) * 16).astype(np.int32)], colour.tolist(), cv2.LINE_AA, 4)
        edge = np.round((shut[[0, *range(15, 8, -1), 8]] - 0.5) * 16).astype(np.int32)
        cv2.polylines(picture, [edge], False, (70, 50, 45), 1, cv2.LINE_AA, 4)

    def _draw_ball(self, picture: np.ndarray, ring: np.ndarray, centre: np.ndarray, axis: np.ndarray) -> None:
        x0, y0 = np.floor(ring.min(axis=0)).astype(int) - 2
        x1, y1 = np.ceil(ring.max(axis=0)).astype(int) + 3
        fine = 3
        columns = x0 + (np.arange((x1 - x0) * fine) + 0.5) / fine
        rows = y0 + (np.arange((y1 - y0) * fine) + 0.5) / fine
        x, y = np.meshgrid(columns, rows)
        rays = self.camera.rays(np.stack([x.ravel(), y.ravel()], axis=1))
        along = rays @ centre
        inside = np.maximum(self.eyes.radius_mm**2 - (centre @ centre - along**2), 0.0)
        normal = (rays * (along - np.sqrt(inside))[:, None] - centre) / self.eyes.radius_mm
        shades = self._shades(normal / np.linalg.norm(normal, axis=1, keepdims=True), axis)
        drawn = shades.reshape(y1 - y0, fine, x1 - x0, fine, 3).mean(axis=(1, 3))
        picture[y0:y1, x0:x1] = np.clip(drawn, 0, 255).astype(np.uint8)

    def _shades(self, normal: np.ndarray, axis: np.ndarray) -> np.ndarray:
        """Return the colour (n, 3) of the ball where its surface points along `normal`."""
        off = np.arccos(np.clip(normal @ axis, -1.0, 1.0))
        edge = np.arcsin(self.eyes.iris_mm / self.eyes.radius_mm)
        sclera = np.array([206.0, 190.0, 180.0]) * (0.35 + 0.65 * np.clip(-normal[:, 2:], 0.0, 1.0))
        side = np.cross(axis, [0.0, 1.0, 0.0])
        around = np.arctan2(normal @ np.cross(axis, side), normal @ side)
        streaks = 1.0 + 0.15 * np.sin(23 * around) + 0.1 * np.sin(41 * around + 1.0)
        iris = np.array([92.0, 72.0, 58.0]) * streaks[:, None]
        iris = iris * np.clip(1.25 - (off / edge)[:, None] ** 4 * 0.7, 0.0, 2.0)
        colours = _mix(sclera, iris, (edge - off) / 0.03)
        colours = _mix(colours, np.full_like(iris, 14.0), (0.42 * edge - off) / 0.03)
        lamp = np.array([0.25, -0.45, -1.0]) / np.linalg.norm([0.25, -0.45, -1.0])
        glint = np.exp(-((np.arccos(np.clip(normal @ lamp, -1.0, 1.0)) / 0.06) ** 2))
        return np.asarray(colours + 190.0 * glint[:, None])


def _mix(under: np.ndarray, over: np.ndarray, share: np.ndarray) -> np.ndarray:
    part = np.clip(share + 0.5, 0.0, 1.0)[:, None]
    return np.asarray(under * (1.0 - part) + over * part)


def _rotation(turn_deg: tuple[float, float, float]) -> np.ndarray:
    """Camera from head, for yaw (towards the picture's right), pitch (down) and roll (clockwise)."""
    yaw, pitch, roll = np.radians(turn_deg)
    about_y = cv2.Rodrigues(np.array([0.0, -yaw, 0.0]))[0]
    about_x = cv2.Rodrigues(np.array([pitch, 0.0, 0.0]))[0]
    about_z = cv2.Rodrigues(np.array([0.0, 0.0, roll]))[0]
    return np.asarray(about_y @ about_x @ about_z)
