"""`sam-edge everything`: finds and masks everything in a picture or in the frames of a video."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sam_edge.cli.options import add_model, open_model, parse_size
from sam_edge.errors import InputError
from sam_edge.everything import (
    FAST,
    STANDARD,
    GeneratedMask,
    MaskGeneratorConfig,
    count_points,
    generate_masks,
)
from sam_edge.everything.draw import draw_masks
from sam_edge.masks.sa1b import Sa1bImage, write_sa1b
from sam_edge.media.frames import open_frames
from sam_edge.media.images import IMAGE_SUFFIXES, read_image, write_png
from sam_edge.media.progress import ProgressBar
from sam_edge.media.video_writer import VideoWriter
from sam_edge.segmenter import Segmenter


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `everything`."""
    parser = subparsers.add_parser("everything", help="find and mask everything in a picture or a video")
    parser.add_argument(
        "input", type=Path, metavar="IMAGE|VIDEO", help="a picture, a video, or a folder of frames"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="SA-1B JSON of each picture, and a picture or video",
    )
    parser.add_argument("--fast", action="store_true", help="coarse grid, small input (default for a video)")
    parser.add_argument(
        "--full", action="store_true", help="fine grid, and crops for small things (default for a picture)"
    )
    parser.add_argument(
        "--exact",
        action="store_true",
        help="the very masks of SAM's own generator, given weights in floating point; slow",
    )
    parser.add_argument("--points-per-side", type=int, metavar="N", help="points along a side of the grid")
    parser.add_argument("--points-per-batch", type=int, metavar="N", help="points decoded in one call")
    parser.add_argument(
        "--predicted-iou", type=float, metavar="SHARE", help="keep masks above this predicted IoU"
    )
    parser.add_argument(
        "--stability", type=float, metavar="SHARE", help="keep masks of at least this stability"
    )
    parser.add_argument("--box-nms", type=float, metavar="SHARE", help="boxes above this IoU say the same")
    parser.add_argument(
        "--crop-layers", type=int, metavar="N", help="layers of crops: 1 adds 4 crops, 2 adds 16 more"
    )
    parser.add_argument("--min-region-px", type=int, metavar="PX", help="remove smaller islands and holes")
    parser.add_argument(
        "--every-point", action="store_true", help="ask also points inside masks found before"
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="of a video, only every N-th frame")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    add_model(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Find everything, and write it."""
    if given.every < 1:
        raise InputError(f"--every: {given.every} is not accepted; give 1 or more")
    if given.fast and (given.full or given.exact):
        raise InputError("--fast: given with --full or --exact; give one of them")
    if given.out.exists() and not given.out.is_dir():
        raise InputError(f"--out: {given.out} is a file; give a folder")
    is_picture = given.input.is_file() and given.input.suffix.lower() in IMAGE_SUFFIXES
    if is_picture and given.out.resolve() / f"{given.input.stem}.png" == given.input.resolve():
        raise InputError(
            f"--out: {given.out} holds {given.input.name}, which would be written over; give another"
        )
    preset = STANDARD if given.full or (is_picture and not given.fast) else FAST
    settings = settings_of(given, MaskGeneratorConfig(exact=True) if given.exact else preset)
    with open_model(given) as model:
        if is_picture:
            picture(given, model, settings)
        else:
            video(given, model, settings)
    return 0


def settings_of(given: argparse.Namespace, preset: MaskGeneratorConfig) -> MaskGeneratorConfig:
    """Return a preset with what was asked for instead.

    Raises:
        InputError: a value is not accepted.
    """
    names = (
        "points_per_side",
        "points_per_batch",
        "predicted_iou",
        "stability",
        "box_nms",
        "crop_layers",
        "min_region_px",
    )
    asked = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    size = parse_size(given.size)
    if size is not None:
        asked["size"] = size
    if given.every_point:
        asked["skip_covered_iou"] = None
    return replace(preset, **asked)


def picture(given: argparse.Namespace, model: Segmenter, settings: MaskGeneratorConfig) -> None:
    """Find everything in one picture."""
    image = read_image(given.input)
    size = (image.shape[0], image.shape[1])
    with ProgressBar(
        count_points(size, settings), label="everything", unit="points", silent=given.quiet
    ) as bar:
        found = generate_masks(model, image, config=settings, advance=bar.advance)
    write(given.out, given.input.stem, given.input.name, 0, image, found)
    if not given.quiet:
        print(f"{len(found)} masks: {given.out / given.input.stem}.json, {given.input.stem}.png")


def video(given: argparse.Namespace, model: Segmenter, settings: MaskGeneratorConfig) -> None:
    """Find everything in the frames of a video."""
    masks = frames = 0
    with ExitStack() as stack:
        reader = stack.enter_context(open_frames(given.input))
        total = None if reader.count is None else -(-reader.count // given.every)
        shown = stack.enter_context(
            VideoWriter(given.out / "everything.mp4", reader.fps / given.every, reader.size)
        )
        bar = stack.enter_context(ProgressBar(total, label="everything", silent=given.quiet))
        for frame in reader:
            if frame.index % given.every:
                continue
            found = generate_masks(model, frame.image, config=settings)
            write(given.out, frame.stem, f"{frame.stem}.png", frame.index, frame.image, found, shown.write)
            masks, frames = masks + len(found), frames + 1
            bar.advance()
    if not given.quiet:
        print(f"{masks} masks in {frames} frames: {given.out}, everything.mp4")


def write(
    folder: Path,
    stem: str,
    name: str,
    number: int,
    image: NDArray[np.uint8],
    found: list[GeneratedMask],
    show: Callable[[NDArray[np.uint8]], None] | None = None,
) -> None:
    """Write what was found in one picture, and draw it: as PNG, or by `show`."""
    masks = tuple(one.sa1b(index) for index, one in enumerate(found))
    size = (image.shape[0], image.shape[1])
    write_sa1b(folder / f"{stem}.json", Sa1bImage(number, name, size, masks))
    drawn = draw_masks(image, found)
    if show is None:
        write_png(folder / f"{stem}.png", drawn)
    else:
        show(drawn)
