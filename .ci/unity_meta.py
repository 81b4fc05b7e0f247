"""Write the .meta files of the Unity package: Unity ignores files of an installed package that have none.

    python .ci/unity_meta.py

Each file's GUID follows from its path, so that scenes which refer to it stay valid.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "unity" / "com.sam-edge.client"
IMPORTERS = {
    ".cs": "MonoImporter",
    ".asmdef": "AssemblyDefinitionImporter",
    ".json": "PackageManifestImporter",
    ".md": "TextScriptImporter",
}


def assets(package: Path) -> Iterator[Path]:
    """Yield the files and folders that Unity imports; folders whose names end in ~ are hidden from it."""
    for path in sorted(package.rglob("*")):
        parts = path.relative_to(package).parts
        if path.suffix != ".meta" and not any(part.endswith("~") for part in parts):
            yield path


def meta_text(package: Path, path: Path) -> str:
    """Return what the .meta file of an asset holds."""
    name = f"{package.name}/{path.relative_to(package).as_posix()}"
    guid = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    importer = "DefaultImporter" if path.is_dir() else IMPORTERS[path.suffix]
    folder = "folderAsset: yes\n" if path.is_dir() else ""
    return f"fileFormatVersion: 2\nguid: {guid}\n{folder}{importer}:\n  externalObjects: {{}}\n  userData: \n"


def meta_path(path: Path) -> Path:
    """Return where the .meta file of an asset lies."""
    return path.with_name(f"{path.name}.meta")


def main() -> None:
    """Write all of them."""
    for path in list(assets(PACKAGE)):
        meta_path(path).write_text(meta_text(PACKAGE, path), encoding="utf-8")


if __name__ == "__main__":
    main()
