"""sam-edge selects objects in video by gaze: the Segment Anything Model on the device, prompted by an eye tracker.

A video and a gaze recording in, the selected object on every frame out:

    import sam_edge

    result = sam_edge.track("video.mp4", "gaze.csv", out="annotated.mp4", masks="masks")
    for frame in result:
        print(frame.time_s, frame.selection.state.value, frame.selection.box)

An image and points in, masks out:

    model = sam_edge.load()
    masks = model.segment(image, points=[[320, 200]], labels=[1])
    masks.best

Live, from the address of a headset:

    with sam_edge.live("neon://neon.local") as run:
        for step in run:
            print(step.selection.state.value, step.selection.object_id)

For a camera loop of your own, see `GazeSession`.
"""

from typing import TYPE_CHECKING

from sam_edge.errors import (
    BundleError,
    CheckpointError,
    EngineError,
    ExportError,
    GateError,
    GazeDataError,
    InputError,
    MediaError,
    MissingExtraError,
    SamEdgeError,
    SamEdgeWarning,
    SessionError,
    TrackerError,
)
from sam_edge.lazy_names import import_lazy_name as _import_lazy_name
from sam_edge.version import __version__

if TYPE_CHECKING:
    from sam_edge._aoi import AoiResult, aoi
    from sam_edge._live import LiveRun, LiveStep, live
    from sam_edge._track import StreamedFrame, TrackedFrame, TrackReport, TrackResult, TrackStream, track
    from sam_edge.gaze import GazeRecording, GazeSample, read_recording
    from sam_edge.geometry import View
    from sam_edge.masks import Masks
    from sam_edge.predictor import SamPredictor
    from sam_edge.segmenter import Embedding, Segmenter, load
    from sam_edge.stream.selection import PinnedObject, Selection, State
    from sam_edge.stream.session import GazeSession

__all__ = [
    "AoiResult",
    "BundleError",
    "CheckpointError",
    "Embedding",
    "EngineError",
    "ExportError",
    "GateError",
    "GazeDataError",
    "GazeRecording",
    "GazeSample",
    "GazeSession",
    "InputError",
    "LiveRun",
    "LiveStep",
    "Masks",
    "MediaError",
    "MissingExtraError",
    "PinnedObject",
    "SamEdgeError",
    "SamEdgeWarning",
    "SamPredictor",
    "Segmenter",
    "Selection",
    "SessionError",
    "State",
    "StreamedFrame",
    "TrackReport",
    "TrackResult",
    "TrackStream",
    "TrackedFrame",
    "TrackerError",
    "View",
    "__version__",
    "aoi",
    "live",
    "load",
    "read_recording",
    "track",
]

_LAZY = {
    "AoiResult": "sam_edge._aoi:AoiResult",
    "Embedding": "sam_edge.segmenter:Embedding",
    "GazeRecording": "sam_edge.gaze:GazeRecording",
    "GazeSample": "sam_edge.gaze.samples:GazeSample",
    "GazeSession": "sam_edge.stream.session:GazeSession",
    "LiveRun": "sam_edge._live:LiveRun",
    "LiveStep": "sam_edge._live:LiveStep",
    "Masks": "sam_edge.masks:Masks",
    "PinnedObject": "sam_edge.stream.selection:PinnedObject",
    "SamPredictor": "sam_edge.predictor:SamPredictor",
    "Segmenter": "sam_edge.segmenter:Segmenter",
    "Selection": "sam_edge.stream.selection:Selection",
    "State": "sam_edge.stream.selection:State",
    "StreamedFrame": "sam_edge._track:StreamedFrame",
    "TrackReport": "sam_edge._track:TrackReport",
    "TrackResult": "sam_edge._track:TrackResult",
    "TrackStream": "sam_edge._track:TrackStream",
    "TrackedFrame": "sam_edge._track:TrackedFrame",
    "View": "sam_edge.geometry:View",
    "aoi": "sam_edge._aoi:aoi",
    "live": "sam_edge._live:live",
    "load": "sam_edge.segmenter:load",
    "read_recording": "sam_edge.gaze:read_recording",
    "track": "sam_edge._track:track",
}
"""Names that are imported on first use, so that `import sam_edge` stays fast, as `module:name`."""


def __getattr__(name: str) -> object:
    """Import a name of `_LAZY` on first use."""
    return _import_lazy_name(__name__, _LAZY, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
