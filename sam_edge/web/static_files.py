"""Static files with the content types that browsers require."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

SHARED_FOLDER = Path(__file__).parent / "static"
"""Style sheet and icon that all pages of this package use."""
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp4": "video/mp4",
    ".onnx": "application/octet-stream",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".weights": "application/octet-stream",
    ".woff2": "font/woff2",
}
"""Content type of each file suffix. The tables of operating systems differ, and browsers refuse to run scripts and
WebAssembly of a wrong type."""
BINARY_TYPE = "application/octet-stream"
REVALIDATE = {"cache-control": "no-cache"}
"""Browsers may cache the response and must ask before they use it."""
NO_STORE = {"cache-control": "no-store"}
"""Browsers must not cache the response."""


class StaticFolders(StaticFiles):
    """Serves the files of one or more folders; the first folder that has a file wins."""

    def __init__(self, *folders: Path) -> None:
        """Serve these folders.

        Raises:
            RuntimeError: the first folder does not exist.
        """
        super().__init__(directory=folders[0])
        self.all_directories = list(folders)

    def file_response(
        self, full_path: Any, stat_result: Any, scope: Scope, status_code: int = 200
    ) -> Response:
        """Set content type and caching; see `StaticFiles.file_response`."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["content-type"] = content_type_of(Path(full_path))
        response.headers.update(REVALIDATE)
        return response


def file_response(path: Path) -> FileResponse:
    """Respond with one file that browsers must revalidate."""
    return FileResponse(path, media_type=content_type_of(path), headers=REVALIDATE)


def content_type_of(path: Path) -> str:
    """Return the content type of a file, by its suffix."""
    return CONTENT_TYPES.get(path.suffix, BINARY_TYPE)
