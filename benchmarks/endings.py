"""How the benchmark scripts end: in one line, where a library, an extra or a file is missing, and on Ctrl+C."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from sam_edge.errors import SamEdgeError


def run_script(main: Callable[[], int | None]) -> NoReturn:
    """Run the `main` of a script, and end the process with the status that it returns."""
    try:
        sys.exit(main())
    except ImportError as error:
        end_without(error)
    except (SamEdgeError, FileNotFoundError, NotADirectoryError) as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def end_without(error: ImportError) -> NoReturn:
    """End a script that lacks a library."""
    sys.exit(f"{error}. The benchmarks need: pip install -e '.[all,test]'")
