"""Write reproducible zip files: the same contents give the same bytes."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest timestamp that the zip format has."""
_UNIX = 3
_MODE = 0o644 << 16
"""Readable by everyone, because Lambda runs the function as another user: https://docs.aws.amazon.com/lambda/latest/dg/python-package.html."""


def write(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write a zip of the files, keyed by their names in it. The target is replaced only once the zip is complete.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        try:
            with ZipFile(file, "w", ZIP_DEFLATED, compresslevel=9) as archive:
                for name in sorted(contents):
                    archive.writestr(_entry(name), contents[name])
        except BaseException:
            Path(file.name).unlink()
            raise
    Path(file.name).chmod(0o644)
    os.replace(file.name, path)  # noqa: PTH105 - tempfile gives the name as text


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, _EPOCH)
    entry.compress_type = ZIP_DEFLATED
    entry.create_system = _UNIX
    entry.external_attr = _MODE
    return entry
