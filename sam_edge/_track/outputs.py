"""The outputs of `track`: checked before the work starts, written frame by frame, published when all is done."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from sam_edge._track.annotate import FrameAnnotator
from sam_edge._track.result import StreamedFrame
from sam_edge.errors import InputError, MediaError
from sam_edge.media.frames import FrameReader
from sam_edge.media.mask_folder import MaskFolderWriter
from sam_edge.media.outputs import Output, prepare_outputs
from sam_edge.media.progress import ProgressBar
from sam_edge.media.video_writer import VIDEO_CODECS, VideoWriter
from sam_edge.stream.recording import check_new_recording, read_session_recording
from sam_edge.timeline import TABLE_ENDINGS, TimelineTables, is_own_table, require_writer


@dataclass(frozen=True, slots=True)
class OutputPaths:
    """Where `track` writes; None: nowhere."""

    out: Path | None = None
    """Annotated video."""
    masks: Path | None = None
    """Folder of masks, a PNG a frame."""
    report: Path | None = None
    """JSON report."""
    record: Path | None = None
    """Folder of the session's recording."""
    timeline: Path | None = None
    """Table with a line a frame; the ending chooses CSV, Parquet or JSON lines."""
    samples: Path | None = None
    """Table with a line a gaze sample."""
    fixations: Path | None = None
    """Table with a line a fixation."""

    @property
    def tables(self) -> dict[str, Path]:
        """The tables that are written, by the name of their argument."""
        paths = {"timeline": self.timeline, "samples": self.samples, "fixations": self.fixations}
        return {name: path for name, path in paths.items() if path is not None}

    def write_tables(self, tables: TimelineTables) -> None:
        """Write the tables that are asked for. Raises `MediaError`."""
        for name, path in self.tables.items():
            with name_argument(name):
                getattr(tables, name).write(path)

    @contextmanager
    def prepare(self, inputs: Mapping[str, Path]) -> Iterator[None]:
        """Check that every output can be written, and make missing parent folders; the work is the block.

        At the end of the block, folders without anything in them and a recording without a frame are removed.

        Args:
            inputs: paths that are read, by the name of their argument.

        Raises:
            InputError: an output is an input or another output, or lies in the folder of masks, or `record` holds
                something.
            MediaError: an output cannot be written.
            MissingExtraError: a table is to be Parquet, and pyarrow is not installed.
        """
        outputs = (
            Output("out", self.out, endings=tuple(VIDEO_CODECS)),
            Output("masks", self.masks, "whole folder"),
            Output("report", self.report),
            Output("record", self.record, "folder"),
            *(Output(name, path, endings=TABLE_ENDINGS) for name, path in self.tables.items()),
        )
        for name, path in self.tables.items():
            require_writer(path)
            _keep_recording(name, path, inputs.values())
        with prepare_outputs(*outputs, inputs=inputs):
            if self.masks is not None:
                with name_argument("masks"):
                    MaskFolderWriter(self.masks)
            if self.record is None:
                yield
                return
            with name_argument("record"):
                check_new_recording(self.record)
            try:
                yield
            finally:
                _remove_empty_recording(self.record)


class TrackOutputs:
    """Writes the masks and the annotated video, and shows the progress. A context manager.

    The files appear under their names when the block ends without an error; otherwise they are discarded.
    """

    def __init__(
        self, paths: OutputPaths, reader: FrameReader, annotator: FrameAnnotator, *, progress: bool = False
    ) -> None:
        """Open everything that is written frame by frame.

        Raises:
            MediaError: an output cannot be written.
        """
        self._annotator = annotator
        self._played = 0
        with ExitStack() as stack:
            with name_argument("masks"):
                self._masks = stack.enter_context(MaskFolderWriter(paths.masks)) if paths.masks else None
            with name_argument("out"):
                writer = VideoWriter(paths.out, reader.size) if paths.out else None
                self._video = stack.enter_context(writer) if writer else None
            bar = ProgressBar(reader.count, label="track", unit="frames", silent=not progress)
            self._bar = stack.enter_context(bar)
            self._open = stack.pop_all()

    def count_played(self) -> None:
        """Show that one more frame was played on the clock; frames are written when all of them were."""
        if not self._played:
            self._bar.restart("play")
        self._played += 1
        self._bar.advance()

    def write(self, frame: StreamedFrame) -> None:
        """Write one frame."""
        if self._played:
            self._played = 0
            self._bar.restart("write")
        # A background that only one dwell has come to rest on is not selected yet.
        if self._masks is not None and frame.mask is not None and frame.selection.confirmed:
            self._masks.write(frame.stem, frame.mask)
        if self._video is not None:
            self._video.write(self._annotator.draw(frame), frame.time_ns, frame.end_ns)
        self._bar.advance()

    def __enter__(self) -> TrackOutputs:
        """Return itself."""
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Publish the files; discard them after an error."""
        self._open.__exit__(error_type, error, traceback)


@contextmanager
def name_argument(name: str) -> Iterator[None]:
    """Begin the message of a `MediaError` or `InputError` in the block with the name of an argument."""
    try:
        yield
    except (MediaError, InputError) as error:
        raise type(error)(f"{name}: {error}") from error


def _keep_recording(name: str, path: Path, inputs: Iterable[Path]) -> None:
    """Refuse to replace a file of the recording, such as the tracker's own `fixations.csv`, by a table."""
    folders = [entry.resolve() for entry in inputs if entry.is_dir()]
    if path.is_file() and path.resolve().parent in folders and not is_own_table(path):
        raise InputError(f"{name}: {path} is a file of the recording; give another path")


def _remove_empty_recording(folder: Path) -> None:
    """Remove the recording of a session that has no frame."""
    try:
        is_empty = next(read_session_recording(folder).frames, None) is None
    except InputError:
        return
    if is_empty:
        shutil.rmtree(folder, ignore_errors=True)
