"""A zip that depends on nothing but what is in it: built twice, it is the same to the byte."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The oldest time that a zip can tell."""
_UNIX = 3
_MODE = 0o644 << 16
"""Lambda runs as another user: https://docs.aws.amazon.com/lambda/latest/dg/python-package.html."""


def write(path: Path, contents: Mapping[str, bytes]) -> None:
    """Put the files, by their names in it, into a zip; whole or not at all. Raises OSError."""
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
    os.replace(file.name, path)  # noqa: PTH105 - as it is: the name, not a Path, is what there is


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, _EPOCH)
    entry.compress_type = ZIP_DEFLATED
    entry.create_system = _UNIX
    entry.external_attr = _MODE
    return entry
