"""`python -m sam_edge.cli` does what `sam-edge` does."""

import sys

from sam_edge.cli import main

if __name__ == "__main__":
    sys.exit(main())
