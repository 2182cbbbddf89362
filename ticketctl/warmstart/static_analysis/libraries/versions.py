"""The versions of libraries that a handler runs with, as installed packages and the files that pin versions tell them."""

import importlib.metadata
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

Versions = Callable[[str], str | None]
"""The version of a distribution, or None where it is unknown."""
PINS = ("requirements*.txt", "requirements*.lock", "*.lock")
"""Requirements, and the lock files of uv, Poetry, PDM and Pipenv."""


def find_versions(folder: Path, start: Path) -> Versions:
    """Look where a handler in the folder `start` would find its packages, within `folder`.

    That is the folder itself, then a virtual environment below it, then what files pin from `start` upwards, and at last
    this program's own environment.
    """
    pinning = [parent for parent in (start, *start.parents) if parent.is_relative_to(folder)]

    def version(name: str) -> str | None:
        pinned = (one for parent in pinning if (one := _find_pinned(name, parent)) is not None)
        return _find_installed(name, _list_places(folder)) or next(pinned, None) or _find_installed(name)

    return version


@cache
def _find_installed(name: str, places: tuple[str, ...] = ()) -> str | None:
    found = importlib.metadata.distributions(name=name, path=list(places or sys.path))
    return next((one.version for one in found), None)


@cache
def _list_places(folder: Path) -> tuple[str, ...]:
    """Return the folder itself, and the folders for packages of the virtual environments below it."""
    environments = sorted(folder.glob("*/pyvenv.cfg"))
    packages = (path for one in environments for path in sorted(one.parent.glob("lib/python*/site-packages")))
    return str(folder), *map(str, packages)


@cache
def _find_pinned(name: str, folder: Path) -> str | None:
    written = re.sub(r"[-_.]+", "[-_.]+", name)
    pattern = re.compile(
        rf"(?im)^{written}(?:\[.*?\])?\s*==\s*([\w.]+)"
        rf'|^name = "{written}"\s+version = "([^"]+)"'
        rf'|"{written}": \{{[^{{}}]*"version": "==([^"]+)"'
    )
    for text in _read_pins(folder):
        if found := pattern.search(text):
            version: str = found[found.lastindex or 0]
            return version
    return None


@cache
def _read_pins(folder: Path) -> tuple[str, ...]:
    texts = []
    for file in sorted({file for pattern in PINS for file in folder.glob(pattern)}):
        try:
            texts.append(file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError):
            continue
    return tuple(texts)
