"""`sam-edge everything`: masks of all objects in an image or in the frames of a video."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sam_edge.cli.options import (
    add_fps,
    add_model,
    add_value_range,
    open_model,
    parse_size,
    parse_value_range,
)
from sam_edge.errors import InputError
from sam_edge.everything import PRESETS, GeneratedMask, MaskGeneratorConfig, count_points, generate_masks
from sam_edge.everything.draw import draw_masks
from sam_edge.gaze_video import open_video
from sam_edge.masks.sa1b import Sa1bImage, write_sa1b
from sam_edge.media.atomic import write_folder_atomically
from sam_edge.media.image_decoder import is_still_image
from sam_edge.media.images import read_image, write_png
from sam_edge.media.outputs import Output, prepare_outputs
from sam_edge.media.progress import ProgressBar
from sam_edge.media.video_writer import VideoWriter
from sam_edge.segmenter import Segmenter


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `everything`."""
    parser = subparsers.add_parser("everything", help="segment everything in an image or a video")
    parser.add_argument(
        "input", type=Path, metavar="IMAGE|VIDEO", help="an image, a video, or a folder of frames"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for SA-1B JSON of each image, and the masks drawn on the image or video",
    )
    parser.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        help="standard: fine grid, and crops for small objects (default for an image); fast: coarse grid, small input "
        "(default for a video); exact: the masks of SAM's own generator, with floating-point weights; slow",
    )
    parser.add_argument("--points-per-side", type=int, metavar="N", help="points along a side of the grid")
    parser.add_argument("--points-per-batch", type=int, metavar="N", help="points decoded in one call")
    parser.add_argument(
        "--predicted-iou", type=float, metavar="SHARE", help="keep masks above this predicted IoU"
    )
    parser.add_argument(
        "--stability", type=float, metavar="SHARE", help="keep masks of at least this stability"
    )
    parser.add_argument(
        "--box-nms", type=float, metavar="SHARE", help="treat boxes above this IoU as duplicates"
    )
    parser.add_argument(
        "--crop-layers", type=int, metavar="N", help="layers of crops: 1 adds 4 crops, 2 adds another 16"
    )
    parser.add_argument("--min-region-px", type=int, metavar="PX", help="remove smaller islands and holes")
    parser.add_argument(
        "--every-point", action="store_true", help="prompt also points inside masks that are already found"
    )
    parser.add_argument(
        "--stride", type=int, default=1, metavar="N", help="use every N-th frame of a video (default: 1)"
    )
    add_fps(parser, of=" of a video")
    add_value_range(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    add_model(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Generate the masks and write them."""
    if args.stride < 1:
        raise InputError(f"--stride: {args.stride} is not accepted; give 1 or more")
    is_image = is_still_image(args.input)
    if is_image and args.out.resolve() / f"{args.input.stem}.png" == args.input.resolve():
        raise InputError(
            f"--out: {args.out} holds {args.input.name}, which would be overwritten; give another folder"
        )
    args.value_range = parse_value_range(args)
    if not is_image and args.value_range is not None:
        raise InputError(f"--value-range: accepted for an image; {args.input.name} is none")
    if is_image and args.fps is not None:
        raise InputError(f"--fps: not accepted for an image; {args.input.name} is one")
    config = config_of(args, PRESETS[args.preset or ("standard" if is_image else "fast")])
    with prepare_outputs(Output("--out", args.out, "folder")), open_model(args) as model:
        if is_image:
            process_image(args, model, config)
        else:
            process_video(args, model, config)
    return 0


def config_of(args: argparse.Namespace, preset: MaskGeneratorConfig) -> MaskGeneratorConfig:
    """Return a preset with the values that options replace.

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
    options = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    size = parse_size(args.size)
    if size is not None:
        options["size"] = size
    if args.every_point:
        options["skip_covered_iou"] = None
    return replace(preset, **options)


def process_image(args: argparse.Namespace, model: Segmenter, config: MaskGeneratorConfig) -> None:
    """Generate the masks of one image."""
    image = read_image(args.input, value_range=args.value_range)
    size = (image.shape[0], image.shape[1])
    with ProgressBar(count_points(size, config), label="everything", unit="points", silent=args.quiet) as bar:
        masks = generate_masks(model, image, config=config, advance=bar.advance)
    with write_folder_atomically(args.out) as folder:
        write_masks(folder, args.input.stem, args.input.name, 0, image, masks)
        write_png(folder / f"{args.input.stem}.png", draw_masks(image, masks))
    if not args.quiet:
        print(f"{len(masks)} masks: {args.out / args.input.stem}.json, {args.input.stem}.png")


def process_video(args: argparse.Namespace, model: Segmenter, config: MaskGeneratorConfig) -> None:
    """Generate the masks of the frames of a video."""
    mask_count = frame_count = 0
    with ExitStack() as stack:
        reader = stack.enter_context(open_video(args.input, fps=args.fps))
        total = -(-reader.count // args.stride)
        folder = stack.enter_context(write_folder_atomically(args.out))
        video = stack.enter_context(VideoWriter(folder / "everything.mp4", reader.size))
        bar = stack.enter_context(ProgressBar(total, label="everything", silent=args.quiet))
        for frame in reader:
            if frame.index % args.stride:
                continue
            masks = generate_masks(model, frame.image, config=config)
            write_masks(folder, frame.stem, f"{frame.stem}.png", frame.index, frame.image, masks)
            video.write(draw_masks(frame.image, masks), frame.time_ns, frame.end_ns)
            mask_count, frame_count = mask_count + len(masks), frame_count + 1
            bar.advance()
    if not args.quiet:
        print(f"{mask_count} masks in {frame_count} frames: {args.out}, everything.mp4")


def write_masks(
    folder: Path, stem: str, name: str, number: int, image: NDArray[np.uint8], masks: list[GeneratedMask]
) -> None:
    """Write the masks of an image as `<stem>.json` in SA-1B's format; `name` and `number` identify the image there."""
    size = (image.shape[0], image.shape[1])
    annotations = tuple(mask.sa1b(index) for index, mask in enumerate(masks))
    write_sa1b(folder / f"{stem}.json", Sa1bImage(number, name, size, annotations))
