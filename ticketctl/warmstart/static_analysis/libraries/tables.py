"""The tables of this package."""

import tomllib
from importlib.resources import files
from typing import Any


def read_table(name: str) -> dict[str, Any]:
    """Return the content of a TOML file beside this module."""
    return tomllib.loads(files(__package__).joinpath(name).read_text("utf-8"))
