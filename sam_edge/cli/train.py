"""`sam-edge train`: train a network that ships with the project."""

from __future__ import annotations

import argparse
from pathlib import Path

from sam_edge.errors import MissingExtraError
from sam_edge.media.progress import ProgressBar


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `train`."""
    parser = subparsers.add_parser(
        "train",
        help="train the follower network",
        description="Train the network that follows an object from frame to frame, on synthetic scenes made of "
        "outlined photographs. Reproducible from the seed on the same machine.",
    )
    parser.add_argument("network", choices=("follower",), help="what to train")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        nargs="+",
        metavar="DIR",
        help="folders with images/NAME.jpg and labels/NAME.txt (YOLO polygons)",
    )
    parser.add_argument(
        "--checkpoint", type=Path, required=True, metavar="FILE", help="the official MobileSAM checkpoint"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the cache and the weights"
    )
    parser.add_argument(
        "--scenes", type=int, default=1200, metavar="N", help="scenes to make (default: 1200)"
    )
    parser.add_argument(
        "--steps", type=int, default=1500, metavar="N", help="batches to train on (default: 1500)"
    )
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="CPU threads (default: 2)")
    parser.add_argument("--seed", type=int, default=0, help="of the scenes and of the training (default: 0)")
    parser.add_argument(
        "--learning-rate", type=float, default=2e-3, metavar="RATE", help="at its highest (default: 0.002)"
    )
    parser.add_argument("--init", type=Path, metavar="FILE", help="weights to go on from (default: random)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the cache where it is not there yet, train, and print the validation score as it goes."""
    try:
        from sam_edge.training.follower_job import FollowerJob, make_caches, train_follower
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in {"torch", "safetensors"}:
            raise
        raise MissingExtraError(library, extra="export", purpose="training") from error
    job = FollowerJob(
        data=tuple(args.data),
        checkpoint=args.checkpoint,
        out=args.out,
        scenes=args.scenes,
        steps=args.steps,
        threads=args.threads,
        seed=args.seed,
        learning_rate=args.learning_rate,
        init=args.init,
    )
    with ProgressBar(job.scenes_to_make(), label="scenes", unit="scenes") as bar:
        make_caches(job, advance=bar.advance)
    path = train_follower(job, report=print)
    print(f"{path}: follower weights")
    return 0
