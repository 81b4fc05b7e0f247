"""Execute a notebook: `make tour` for the one among the examples.

    python .ci/execute_notebook.py examples/tour.ipynb [--out executed.ipynb] [--folder FOLDER] [--set NAME=VALUE]

The result holds all outputs. `--set` replaces the value of a variable where a line of a cell assigns it; VALUE is
Python. Needs `nbclient` and `ipykernel`.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

CELL_LIMIT_S = 600


def main() -> None:
    """Read, execute and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--out", type=Path, help="where the executed notebook goes (default: it is replaced)")
    parser.add_argument("--folder", type=Path, help="folder to run in (default: a temporary one)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="value of a variable"
    )
    args = parser.parse_args()
    notebook = nbformat.read(args.notebook, as_version=4)
    for assignment in args.set:
        assign(notebook, *assignment.split("=", 1))
    with tempfile.TemporaryDirectory() as temporary:
        folder = str(args.folder or temporary)
        client = NotebookClient(
            notebook,
            timeout=CELL_LIMIT_S,
            record_timing=False,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        )
        client.execute()
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, args.out or args.notebook)


def assign(notebook: nbformat.NotebookNode, name: str, value: str) -> None:
    """Replace the value that a cell assigns to a variable."""
    count = 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source, found = re.subn(
                rf"^{re.escape(name)} = .*$", lambda _: f"{name} = {value}", cell.source, flags=re.MULTILINE
            )
            count += found
    if count != 1:
        raise SystemExit(f"--set {name}={value}: {count} lines assign {name}; one is needed")


if __name__ == "__main__":
    try:
        main()
    except CellExecutionError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
