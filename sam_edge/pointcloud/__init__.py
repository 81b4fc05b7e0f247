"""Back-projection to 3-D: a mask, a depth map and a camera give a coloured point cloud with its box, in metres."""

from sam_edge.pointcloud.backprojection import backproject
from sam_edge.pointcloud.cameras import CameraModel, Fisheye624, Pinhole
from sam_edge.pointcloud.cloud import OrientedBox, PointCloud, merge_clouds
from sam_edge.pointcloud.depth import depth_from_disparity, remove_flying_pixels
from sam_edge.pointcloud.files import write_glb, write_ply
from sam_edge.pointcloud.placement import CameraPose, Placement, WorldRay, change_axes, cross_rays, place

__all__ = [
    "CameraModel",
    "CameraPose",
    "Fisheye624",
    "OrientedBox",
    "Pinhole",
    "Placement",
    "PointCloud",
    "WorldRay",
    "backproject",
    "change_axes",
    "cross_rays",
    "depth_from_disparity",
    "merge_clouds",
    "place",
    "remove_flying_pixels",
    "write_glb",
    "write_ply",
]
