"""Installed versions, as the metadata of the installed packages tell them."""

import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

Versions = Callable[[str], str | None]
"""The installed version of a distribution, or None where it is not installed."""


def installed(folder: Path) -> Versions:
    """Look where the handler would: in the folder itself, in a virtual environment below it, and here."""
    places = [str(folder), *_environments(folder), *sys.path]

    @cache
    def version(name: str) -> str | None:
        found = importlib.metadata.distributions(name=name, path=places)
        return next((one.version for one in found), None)

    return version


def _environments(folder: Path) -> Iterator[str]:
    for configuration in sorted(folder.glob("*/pyvenv.cfg")):
        yield from (str(path) for path in sorted(configuration.parent.glob("lib/python*/site-packages")))
