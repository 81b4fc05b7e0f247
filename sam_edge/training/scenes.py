"""Synthetic scenes: an object of a photograph moves over a background, between look-alikes and occluders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.training.paths import AffinePath, ElasticPath, LimbPath, MotionPath, frame_places, remap_layer
from sam_edge.training.photographs import ObjectOutline, read_photograph


@dataclass(frozen=True, slots=True)
class SceneConfig:
    """How often and how strongly synthetic scenes move. Motions are standard deviations, a frame."""

    frames: int = 6
    """Frames of a scene."""
    object_shift: float = 0.045
    """Shift of the object, shares of its longer side."""
    object_turn: float = 0.035
    """Turn of the object, radians."""
    object_zoom: float = 0.02
    """Change of the object's scale, logarithm."""
    camera_shift: float = 0.012
    """Shift of the camera, shares of the frame's longer side."""
    bend: float = 0.06
    """Elastic displacement, shares of the object's longer side."""
    limbs: float = 0.7
    """Probability of a swinging part; further ones are half as likely."""
    own_background: float = 0.65
    """Probability that the object keeps its photograph as background."""
    twin: float = 0.25
    """Probability of a look-alike."""
    occluder: float = 0.3
    """Probability of something that passes in front."""
    blur: float = 0.35
    """Probability of motion blur."""
    exposure: float = 0.4
    """Probability of changing exposure."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A cut-out and its motion."""

    image: NDArray[np.uint8]
    """RGB (H, W, 3)."""
    alpha: NDArray[np.uint8]
    """(H, W), 0 to 255."""
    motion: tuple[MotionPath, ...]
    """Applied to a frame's places, first to last, to find the cut-out's."""

    def draw(
        self, places: NDArray[np.float32], size: tuple[int, int], frame: float
    ) -> tuple[NDArray[np.uint8], ...]:
        """Return the image and alpha on a frame, given the scene's places of that frame."""
        for path in self.motion:
            places = path.inverse(places, frame)
        return (
            remap_layer(self.image, places, size, outside=None),
            remap_layer(self.alpha, places, size, outside=0),
        )


@dataclass(frozen=True, slots=True)
class Clip:
    """A short video of one object, with its true masks."""

    frames: list[NDArray[np.uint8]]
    """RGB (H, W, 3), all of one size."""
    masks: list[NDArray[np.uint8]]
    """(H, W), 0 to 255: how much of each pixel is the object's."""


def make_scene(outlines: Sequence[ObjectOutline], rng: np.random.Generator, config: SceneConfig) -> Clip:
    """Make the clip of one random object of `outlines`."""
    outline = choose(outlines, rng)
    photograph = mirror(read_photograph(outline.photograph), mirrored := bool(rng.random() < 0.5))
    size = (photograph.shape[0], photograph.shape[1])
    alpha = mirror(outline.mask(size), mirrored)
    camera = camera_path(size, rng, config)
    target = Layer(photograph, soften(alpha), object_motion(alpha, rng, config))
    background = make_background(photograph, alpha, outlines, rng, config)
    behind, before = other_layers(target, outlines, rng, config)
    layers = [*behind, target, *before]
    light = light_changes(rng, config)
    blurred = bool(rng.random() < config.blur)
    clip = Clip([], [])
    for frame in range(config.frames):
        image, mask = draw_frame(background, layers, target, camera, size, frame)
        if blurred:
            image, mask = blur_between(
                image, mask, draw_frame(background, layers, target, camera, size, frame + 0.4)
            )
        clip.frames.append(apply_light(image, light, frame, rng))
        clip.masks.append(mask)
    return clip


def choose(outlines: Sequence[ObjectOutline], rng: np.random.Generator) -> ObjectOutline:
    """Choose a random object."""
    return outlines[int(rng.integers(len(outlines)))]


def mirror(image: NDArray[np.uint8], mirrored: bool) -> NDArray[np.uint8]:
    """Mirror left and right, if asked to."""
    return np.ascontiguousarray(image[:, ::-1]) if mirrored else image


def soften(alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blend a cut-out's edge over about a pixel."""
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), 0.8), np.uint8)


def camera_path(size: tuple[int, int], rng: np.random.Generator, config: SceneConfig) -> AffinePath:
    """Return a random motion of the camera; one in four stands still."""
    strength = config.camera_shift * max(size) * (0.0 if rng.random() < 0.25 else 1.0)
    spread = strength * np.array([1.0, 0.6, 0.5 / max(size), 0.5 / max(size)])
    centre = np.array([size[1], size[0]]) / 2
    return AffinePath(centre, rng.normal(0, spread), rng.normal(0, 0.2 * spread))


def object_motion(
    alpha: NDArray[np.uint8], rng: np.random.Generator, config: SceneConfig
) -> tuple[MotionPath, ...]:
    """Return a random motion of an object: it moves as a whole, bends, and swings parts."""
    left, top, width, height = cv2.boundingRect(alpha)
    extent = float(max(width, height))
    shift = config.object_shift * extent
    spread = np.array([shift, 0.7 * shift, config.object_turn, config.object_zoom]) * rng.gamma(2.0, 0.5)
    centre = np.array([left + width / 2, top + height / 2])
    paths: list[MotionPath] = [AffinePath(centre, rng.normal(0, spread), rng.normal(0, 0.25 * spread))]
    margin = 0.1 * extent
    box = np.array([left - margin, top - margin, left + width + margin, top + height + margin])
    count = int(rng.integers(3, 7))
    amplitude = config.bend * extent * rng.gamma(2.0, 0.5) * 3 / count
    shapes = rng.normal(0, amplitude, (2, count, count, 2)).astype(np.float32)
    paths.append(ElasticPath(shapes, box, rng.uniform(0, 6.28), rng.normal(0, 0.3)))
    chance = config.limbs
    while rng.random() < chance:
        paths.append(limb_path(alpha, extent, rng))
        chance *= 0.5
    return tuple(paths)


def limb_path(alpha: NDArray[np.uint8], extent: float, rng: np.random.Generator) -> LimbPath:
    """Return a part that swings round a place of the object, away from its centre."""
    rows, columns = np.nonzero(alpha)
    index = int(rng.integers(len(rows)))
    pivot = np.array([columns[index], rows[index]], np.float64)
    outwards = pivot - (columns.mean(), rows.mean()) + rng.normal(0, 0.05 * extent + 1.0, 2)
    direction = outwards / np.linalg.norm(outwards)
    softness_px = extent * rng.uniform(0.02, 0.08)
    return LimbPath(
        pivot, direction, softness_px, rng.normal(0, 0.5), rng.uniform(0, 6.28), rng.normal(0, 0.35)
    )


def make_background(
    photograph: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    outlines: Sequence[ObjectOutline],
    rng: np.random.Generator,
    config: SceneConfig,
) -> NDArray[np.uint8]:
    """Return what lies behind the object: another photograph, or its own with the object's place filled from one."""
    other = read_photograph(choose(outlines, rng).photograph)
    filling = np.asarray(cv2.resize(other, photograph.shape[1::-1], interpolation=cv2.INTER_AREA), np.uint8)
    if rng.random() >= config.own_background:
        return filling
    hole = cv2.GaussianBlur(cv2.dilate(alpha, np.ones((7, 7), np.uint8)), (0, 0), 2.0)
    return blend(photograph, filling, np.asarray(hole, np.uint8))


def other_layers(
    target: Layer, outlines: Sequence[ObjectOutline], rng: np.random.Generator, config: SceneConfig
) -> tuple[list[Layer], list[Layer]]:
    """Return what moves behind the object and in front of it: a look-alike, and something that passes."""
    behind: list[Layer] = []
    before: list[Layer] = []
    if rng.random() < config.twin:
        side = behind if rng.random() < 0.7 else before
        side.append(make_twin(target, rng, config))
    if rng.random() < config.occluder:
        before.append(make_occluder(target, outlines, rng, config))
    return behind, before


def make_twin(target: Layer, rng: np.random.Generator, config: SceneConfig) -> Layer:
    """Return a copy of the object next to it, with a motion of its own."""
    _, _, width, height = cv2.boundingRect(target.alpha)
    angle = rng.uniform(0, 6.28)
    offset = rng.uniform(0.7, 1.1) * np.array([width * np.cos(angle), height * np.sin(angle)])
    still = np.zeros(4)
    start = np.array([*offset, rng.normal(0, 0.15), rng.normal(0, 0.1)])
    place = AffinePath(np.zeros(2), still, still, np.array([*offset, 0, 0]))
    return Layer(
        target.image,
        target.alpha,
        (place, *object_motion(target.alpha, rng, config), turn_round(target, start)),
    )


def turn_round(target: Layer, start: NDArray[np.float64]) -> AffinePath:
    """Return a fixed turn and scale round the object's centre."""
    left, top, width, height = cv2.boundingRect(target.alpha)
    still = np.zeros(4)
    return AffinePath(
        np.array([left + width / 2, top + height / 2]), still, still, np.array([0, 0, start[2], start[3]])
    )


def make_occluder(
    target: Layer, outlines: Sequence[ObjectOutline], rng: np.random.Generator, config: SceneConfig
) -> Layer:
    """Return another object, smaller than the target as a rule, that passes in front of it."""
    outline = choose(outlines, rng)
    image = read_photograph(outline.photograph)
    alpha = outline.mask((image.shape[0], image.shape[1]))
    left, top, width, height = cv2.boundingRect(target.alpha)
    its_left, its_top, its_width, its_height = cv2.boundingRect(alpha)
    ratio = rng.uniform(0.3, 0.8) * max(width, height) / max(its_width, its_height, 1)
    its_centre = np.array([its_left + its_width / 2, its_top + its_height / 2])
    goal = np.array([left, top]) + rng.uniform(0, 1, 2) * (width, height)
    velocity = np.array([*rng.normal(0, 0.08 * max(width, height), 2), 0, 0])
    start = np.array([*(goal - its_centre), rng.normal(0, 0.5), np.log(ratio)])
    start[:2] -= velocity[:2] * rng.uniform(0, config.frames)
    return Layer(image, soften(alpha), (AffinePath(its_centre, velocity, np.zeros(4), start),))


def draw_frame(
    background: NDArray[np.uint8],
    layers: Sequence[Layer],
    target: Layer,
    camera: AffinePath,
    size: tuple[int, int],
    frame: float,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a frame, and the part of each pixel that is the target's."""
    places = camera.inverse(frame_places(size), frame)
    image = remap_layer(background, places, size, outside=None)
    mask = np.zeros(size, np.uint8)
    for layer in layers:
        drawn, alpha = layer.draw(places, size, frame)
        image = blend(image, drawn, alpha)
        mask = alpha if layer is target else np.asarray(cv2.subtract(mask, alpha), np.uint8)
    return image, mask


def blend(below: NDArray[np.uint8], above: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay one image over another: uint8 (H, W, 3)."""
    weight = alpha.astype(np.float32) / 255
    return np.asarray(cv2.blendLinear(above, below, weight, 1 - weight), np.uint8)


def blur_between(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], later: tuple[NDArray[np.uint8], NDArray[np.uint8]]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Average two moments of one exposure."""
    return (
        np.asarray(cv2.addWeighted(image, 0.5, later[0], 0.5, 0), np.uint8),
        np.asarray(cv2.addWeighted(mask, 0.5, later[1], 0.5, 0), np.uint8),
    )


def light_changes(rng: np.random.Generator, config: SceneConfig) -> NDArray[np.float64]:
    """Return gain and offset of the exposure, and their change a frame: (2, 2)."""
    steady = np.array([rng.normal(0, 0.12), rng.normal(0, 8)])
    changing = (
        np.array([rng.normal(0, 0.03), rng.normal(0, 2)]) if rng.random() < config.exposure else np.zeros(2)
    )
    return np.stack([steady, changing])


def apply_light(
    image: NDArray[np.uint8], light: NDArray[np.float64], frame: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Change a frame's exposure, and add the noise of a camera."""
    gain, offset = light[0] + light[1] * frame
    noise = rng.integers(-4, 5, (*image.shape[:2], 1)).astype(np.float32)
    lit = image * np.float32(1 + gain) + np.float32(offset) + noise
    return np.asarray(np.clip(lit, 0, 255), np.uint8)
