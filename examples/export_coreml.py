"""Make Core ML packages of MobileSAM for an iPhone, an iPad or a Mac. Runs on Linux, too.

    pip install -e '.[export]'
    python examples/export_coreml.py mobile_sam.pt [--size 672x448] [--precision fp16] [--out out/coreml_bundle]

Expect: minutes of work, then one line for each file with its size.

The checkpoint is MobileSAM's own file (github.com/ChaoningZhang/MobileSAM). It writes a folder: an encoder and a
decoder as .mlpackage, and a manifest with their deviation from fp32 torch. An export that lost too much accuracy is
refused, and nothing is written. docs/how-to/coreml.md says how to use the packages from Swift.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

try:
    from sam_edge.errors import SamEdgeError
    from sam_edge.exporters.coreml.bundle import export_coreml
    from sam_edge.media.outputs import Output, prepare_outputs
    from sam_edge.nn import load_mobile_sam
except ImportError as error:
    sys.exit(f"{error}. This example needs: pip install -e '.[export]'")
except KeyboardInterrupt:
    sys.exit(130)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, help="mobile_sam.pt")
    parser.add_argument(
        "--size", default="672x448", help="the encoder's input, width x height, multiples of 224"
    )
    parser.add_argument("--precision", default="fp16", help="see docs/how-to/coreml.md")
    parser.add_argument("--out", type=Path, default=Path("out/coreml_bundle"), help="folder to write")
    args = parser.parse_args()
    width, _, height = args.size.partition("x")
    with prepare_outputs(Output("--out", args.out, "whole folder")):
        model = load_mobile_sam(args.checkpoint)
        manifest = export_coreml(model, args.out, precision=args.precision, sizes=[(int(height), int(width))])
    for path in sorted(args.out.iterdir()):
        size = sum(part.stat().st_size for part in path.rglob("*") if part.is_file()) or path.stat().st_size
        print(f"{size / 1e6:7.1f} MB  {path.name}")
    print(f"{args.out}: {manifest.precision}, held against fp32 torch before it was written")


if __name__ == "__main__":
    try:
        main()
    except SamEdgeError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
