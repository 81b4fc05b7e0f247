"""Select an object in a picture by a point, back-project it with a depth map, and draw it from the side.

    python examples/backproject_to_3d.py
    python examples/backproject_to_3d.py --image rgb.jpg --depth depth_mm.png --camera camera.json --point 700,700

Expect: one line with the sides of the object's box in metres; a picture, a .ply and a .glb in out/.

Without an image it renders a scene of its own: a box on a table. A depth PNG holds millimetres; the camera file is JSON
with `params` and `image_size` [width, height] of an Aria camera, or with `focal_px`, `principal_px` and `image_size`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

try:
    import cv2
    import numpy as np
    from numpy.typing import NDArray

    import sam_edge
    from sam_edge.errors import SamEdgeError
    from sam_edge.media.images import read_image, write_png
    from sam_edge.media.outputs import Output, prepare_outputs
    from sam_edge.media.overlay import draw_selection
    from sam_edge.pointcloud import (
        CameraModel,
        Fisheye624,
        Pinhole,
        PointCloud,
        backproject,
        write_glb,
        write_ply,
    )
    from sam_edge.pointcloud.files import EDGES
except ImportError as error:
    sys.exit(f"{error}. This example needs: pip install -e .")
except KeyboardInterrupt:
    sys.exit(130)

PANEL_PX = 480
"""Height of each half of the picture."""


def main() -> None:
    """Select, backproject, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--image", type=Path)
    parser.add_argument("--depth", type=Path, help="16-bit PNG, millimetres")
    parser.add_argument("--camera", type=Path, help="JSON")
    parser.add_argument("--point", default="", help="X,Y on the object (default: the middle)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/cloud.png"),
        help="the picture; .ply and .glb go next to it (default: out/cloud.png)",
    )
    args = parser.parse_args()
    if args.image and not (args.depth and args.camera):
        parser.error("--image: give --depth and --camera, too")
    if args.image:
        image, depth_m, camera = read_image(args.image), read_depth(args.depth), read_camera(args.camera)
    else:
        image, depth_m, camera = table_scene()
    point = (
        [float(word) for word in args.point.split(",")]
        if args.point
        else [image.shape[1] / 2, image.shape[0] / 2]
    )
    outputs = [Output("--out", args.out, endings=(".png",))]
    outputs += [Output("--out", args.out.with_suffix(ending)) for ending in (".ply", ".glb")]
    with prepare_outputs(*outputs), sam_edge.load() as model:
        mask = model.segment(image, points=[point]).best
        cloud = backproject(image, mask, depth_m, camera)
        box = cloud.box
        write_ply(args.out.with_suffix(".ply"), cloud)
        write_glb(args.out.with_suffix(".glb"), cloud, box)
        sides = " x ".join(f"{side:.3f}" for side in box.extent_m)
        place = ", ".join(f"{value:.3f}" for value in cloud.centroid_m)
        write_png(args.out, drawn(image, mask, cloud, camera, f"{sides} m"))
    print(f"{args.out}: {len(cloud)} points; box {sides} m; centroid ({place}) m")


def drawn(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], cloud: PointCloud, camera: CameraModel, caption: str
) -> NDArray[np.uint8]:
    """Draw the selection with its box on the picture, and next to it the cloud as seen from the side."""
    box = cloud.box
    left = draw_selection(image, mask=mask)
    corners = camera.project(box.corners_m)
    for a, b in EDGES:
        if np.isfinite(corners[[a, b]]).all():
            ends = [tuple(int(value) for value in np.rint(corners[end] - 0.5)) for end in (a, b)]
            cv2.line(left, ends[0], ends[1], (255, 255, 255), max(1, image.shape[0] // 240), cv2.LINE_AA)
    width = round(PANEL_PX * image.shape[1] / image.shape[0])
    small = cv2.resize(left, (width, PANEL_PX), interpolation=cv2.INTER_AREA)
    return np.hstack([np.asarray(small, np.uint8), from_the_side(cloud, caption)])


def from_the_side(cloud: PointCloud, caption: str) -> NDArray[np.uint8]:
    """Draw points and box from a place to the right of the camera and above it."""
    box = cloud.box
    turn_y, _ = cv2.Rodrigues(np.array([0.0, np.radians(-40), 0.0]))
    turn_x, _ = cv2.Rodrigues(np.array([np.radians(25), 0.0, 0.0]))
    turn = turn_x @ turn_y
    panel = np.full((PANEL_PX, PANEL_PX, 3), 24, np.uint8)
    scale = 0.62 * PANEL_PX / float(np.linalg.norm(box.extent_m))
    points = (cloud.points_m - box.centre_m) @ turn.T
    order = np.argsort(-points[:, 2])
    places = np.rint(points[order, :2] * scale + PANEL_PX / 2).astype(int)
    for place, colour in zip(places, cloud.colours[order].tolist(), strict=True):
        cv2.circle(panel, (int(place[0]), int(place[1])), 1, colour, -1)
    corners = (box.corners_m - box.centre_m) @ turn.T * scale + PANEL_PX / 2
    for a, b in EDGES:
        ends = [(int(corners[end, 0]), int(corners[end, 1])) for end in (a, b)]
        cv2.line(panel, ends[0], ends[1], (255, 255, 255), 1, cv2.LINE_AA)
    cv2.putText(
        panel, caption, (14, PANEL_PX - 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (230, 230, 230), 1, cv2.LINE_AA
    )
    return panel


def table_scene() -> tuple[NDArray[np.uint8], NDArray[np.float64], CameraModel]:
    """Render a box of 0.40 x 0.30 x 0.20 m on a table, by casting a ray at each pixel: image, depth and camera."""
    size = (480, 640)
    camera = Pinhole((520.0, 520.0), (320.0, 240.0), size)
    rows, columns = np.indices(size)
    rays = camera.rays(np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], axis=1)).reshape(*size, 3)
    down, _ = cv2.Rodrigues(np.array([np.radians(35), 0.0, 0.0]))
    about, _ = cv2.Rodrigues(np.array([0.0, np.radians(30), 0.0]))
    axes = (down @ about).T
    extent, centre = np.array([0.40, 0.20, 0.30]), np.array([0.0, 0.0, 1.4])
    table = down @ np.array([0.0, 1.0, 0.0])
    depth = (table @ (centre + 0.1 * table)) / np.maximum(rays @ table, 1e-6)
    depth = np.where((rays @ table > 0.05) & (depth < 4), depth, 4.0)
    origin, direction = -centre @ axes.T, rays @ axes.T
    one, other = (-extent / 2 - origin) / direction, (extent / 2 - origin) / direction
    enter, leave = np.minimum(one, other), np.maximum(one, other).min(axis=-1)
    near = enter.max(axis=-1)
    hit = (near < leave) & (near > 0)
    shade = np.array([0.75, 1.0, 0.55])[enter.argmax(axis=-1)]
    wood = 150 + 25 * np.sin(40 * (rays * depth[..., None]) @ axes[0])
    image = np.stack([wood, 0.8 * wood, 0.6 * wood], axis=-1)
    image[depth >= 4] = (90, 100, 115)
    image[hit] = (shade[..., None] * np.array([60.0, 120.0, 210.0]))[hit]
    return np.clip(image, 0, 255).astype(np.uint8), np.where(hit, near, depth), camera


def read_depth(path: Path) -> NDArray[np.float64]:
    """Read millimetres as metres."""
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise SystemExit(f"{path}: no depth image")
    return np.asarray(found, np.float64) / 1000


def read_camera(path: Path) -> CameraModel:
    """Read intrinsics."""
    facts = json.loads(path.read_text(encoding="utf-8"))
    size = (int(facts["image_size"][1]), int(facts["image_size"][0]))
    if len(facts.get("params", ())) == 15:
        return Fisheye624.from_aria(facts["params"], size)
    (fx, fy), (cx, cy) = facts["focal_px"], facts["principal_px"]
    return Pinhole((fx, fy), (cx + 0.5, cy + 0.5), size)


if __name__ == "__main__":
    try:
        main()
    except SamEdgeError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
