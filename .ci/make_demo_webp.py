"""The README's moving picture: the demo's annotated video as an animated WebP file.

    sam-edge demo && python .ci/make_demo_webp.py [VIDEO] [OUT.webp]

VIDEO is `out/demo/annotated.mp4` by default, OUT.webp `docs/images/demo.webp`. Needs Pillow, of the extra `test`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from sam_edge.media.frames import open_frames

VIDEO, OUT = Path("out/demo/annotated.mp4"), Path("docs/images/demo.webp")
SIZE = (640, 360)
"""(width, height) of the picture."""
STRIDE = 2
"""Every second frame is shown: 12.5 a second."""
QUALITY = 62
MAX_BYTES = 3_000_000


def main() -> None:
    """Write the picture, and say how large it is."""
    video, out = (Path(given) for given in (*sys.argv[1:], *map(str, (VIDEO, OUT)[len(sys.argv) - 1 :])))
    with open_frames(video) as reader:
        frames = [frame for frame in reader if frame.index % STRIDE == 0]
        length_ms = round(
            STRIDE * 1000 * (frames[-1].time_ns - frames[0].time_ns) / 1e9 / (len(frames) - 1) / STRIDE
        )
    first, *rest = (Image.fromarray(frame.image).resize(SIZE, Image.Resampling.LANCZOS) for frame in frames)
    first.save(out, save_all=True, append_images=rest, duration=length_ms, loop=0, quality=QUALITY, method=6)
    size = out.stat().st_size
    print(f"{out}: {len(frames)} frames of {SIZE[0]}x{SIZE[1]}, {length_ms} ms each, {size / 1e6:.2f} MB")
    if size >= MAX_BYTES:
        raise SystemExit(
            f"{out}: {size} bytes are too many for the README; accepted are less than {MAX_BYTES}"
        )


if __name__ == "__main__":
    main()
