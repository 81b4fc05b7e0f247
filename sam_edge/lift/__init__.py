"""Selection to 3-D: a mask, a depth map and a camera become a coloured point cloud with its box, in metres."""

from sam_edge.lift.cameras import Camera, Fisheye624, Pinhole
from sam_edge.lift.cloud import OrientedBox, PointCloud, merged
from sam_edge.lift.depth import depth_of_disparity, without_bleeding
from sam_edge.lift.files import write_glb, write_ply
from sam_edge.lift.lifting import lift

__all__ = [
    "Camera",
    "Fisheye624",
    "OrientedBox",
    "Pinhole",
    "PointCloud",
    "depth_of_disparity",
    "lift",
    "merged",
    "without_bleeding",
    "write_glb",
    "write_ply",
]
