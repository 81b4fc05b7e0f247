"""An example of every subcommand, shown at the end of its help."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "demo": ("sam-edge demo", "sam-edge demo --out results --runtime onnxruntime"),
    "track": (
        "sam-edge track RECORDING --out annotated.mp4",
        "sam-edge track video.mp4 --gaze gaze.csv --out annotated.mp4 --masks masks/ --report report.json",
        "sam-edge track RECORDING --timeline timeline.csv --fixations fixations.csv",
        "sam-edge track RECORDING --realtime --out live.mp4",
    ),
    "live": (
        "sam-edge live webcam:0 --eye mouse:",
        "sam-edge live neon://neon.local",
        "sam-edge live pupil-core://127.0.0.1 --timeline looks.csv --seconds 60",
        "sam-edge live file:RECORDING --web",
        "sam-edge live rtsp://HOST/PATH --eye 'webcam:0?calibration=me.json' --web",
    ),
    "aoi run": (
        "sam-edge aoi run RECORDING --out study/",
        "sam-edge aoi run video.mp4 --gaze gaze.csv --out study/ --section search=0..30",
    ),
    "aoi apply": ("sam-edge aoi apply study/ --aois aois.json --out named/",),
    "batch run": (
        "sam-edge batch run ~/study --out ~/results",
        "sam-edge batch run ~/study --out ~/results --dry-run",
        "sam-edge batch run ~/study --out /shared/results --shard $SLURM_ARRAY_TASK_ID/40",
        "sam-edge batch run --manifest study.csv --out ~/results --do aoi --section search=0..30",
    ),
    "batch status": ("sam-edge batch status ~/results",),
    "batch merge": ("sam-edge batch merge ~/results",),
    "replay": (
        "sam-edge track video.mp4 --gaze gaze.csv --record session/",
        "sam-edge replay session/ video.mp4",
    ),
    "segment": (
        "sam-edge segment photo.jpg --point 320,200 --out mask.png",
        "sam-edge segment photo.jpg --box 40,60,300,280 --overlay overlay.png --json",
    ),
    "everything": (
        "sam-edge everything photo.jpg --out masks/",
        "sam-edge everything video.mp4 --out masks/ --stride 10",
    ),
    "annotate": (
        "sam-edge annotate RECORDING --out dataset/ --web",
        "sam-edge annotate video.mp4 --gaze gaze.csv --out dataset/ --stages assisted",
    ),
    "gaze sources": ("sam-edge gaze sources",),
    "gaze events": (
        "sam-edge gaze events gaze.csv",
        "sam-edge gaze events gaze.csv --out labels.csv",
        "sam-edge gaze events gaze.csv --video world.mp4 --out labels.csv",
    ),
    "gaze info": ("sam-edge gaze info RECORDING", "sam-edge gaze info gaze.csv --video video.mp4"),
    "gaze convert": (
        "sam-edge gaze convert RECORDING gaze.csv",
        "sam-edge gaze convert RECORDING bids/sub-01_task-look --to bids",
    ),
    "gaze calibrate": ("sam-edge gaze calibrate --source webcam --out calibration.json --screen 1920x1080",),
    "export": (
        "sam-edge export --checkpoint mobile_sam.pt --calibration photos/ --out bundle/",
        "sam-edge export --checkpoint mobile_sam.pt --target coreml --out bundle/",
    ),
    "train": ("sam-edge train follower --data photos/ --checkpoint mobile_sam.pt --out follower/",),
    "verify": (
        "sam-edge verify",
        "sam-edge verify bundle/ --checkpoint mobile_sam.pt --dataset photos/",
    ),
    "profile": (
        "sam-edge profile --out profile/",
        "sam-edge profile --budget-ms 33 --config config.json",
        "sam-edge profile --compare before.json after.json",
    ),
    "serve": (
        "sam-edge serve",
        "sam-edge serve --host 0.0.0.0 --token auto --cert cert.pem --key key.pem",
    ),
    "doctor": ("sam-edge doctor",),
}
"""Command lines by subcommand: each of them is accepted as it stands, with files of these names."""
