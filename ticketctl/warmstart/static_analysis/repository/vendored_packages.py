"""Which folders and files hold copies of libraries: what `pip install --target` leaves beside a function's own code."""

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from ticketctl.warmstart.static_analysis.libraries import constructors

WELL_KNOWN = frozenset(
    {
        "aiobotocore",
        "aioboto3",
        "aiofiles",
        "alembic",
        "anyio",
        "attr",
        "attrs",
        "authlib",
        "aws_lambda_powertools",
        "aws_xray_sdk",
        "boto3",
        "botocore",
        "cffi",
        "click",
        "cryptography",
        "django",
        "fastapi",
        "flask",
        "google",
        "h11",
        "httpcore",
        "httpx",
        "idna",
        "jinja2",
        "langchain",
        "langchain_core",
        "langgraph",
        "mangum",
        "numpy",
        "pandas",
        "pip",
        "psycopg",
        "psycopg2",
        "pydantic",
        "pydantic_core",
        "pydantic_settings",
        "pymongo",
        "requests",
        "rich",
        "s3transfer",
        "setuptools",
        "sqlalchemy",
        "sqlmodel",
        "starlette",
        "tenacity",
        "tqdm",
        "typer",
        "urllib3",
        "uvicorn",
        "uvloop",
        "werkzeug",
        "yaml",
    }
)
"""Libraries that deployment folders often hold, besides those of the table of constructors."""
ORDINARY = frozenset({"agents", "databases"})
"""Libraries in the table whose names applications give to packages of their own."""
VERSION = re.compile(rb"^\s*(__version__\b|VERSION\b|from \.+_*version_* import)", re.MULTILINE)
"""How a library's package states its version; the packages of applications have none."""


@lru_cache(maxsize=1)
def load_library_names() -> frozenset[str]:
    """Return the top-level packages of well-known libraries."""
    listed = {name.partition(".")[0] for name in constructors.load_constructors()}
    return (WELL_KNOWN | listed) - ORDINARY


def find_vendored(folder: Path, folders: Iterable[str]) -> frozenset[str]:
    """Return which entries of a folder are libraries' copies; `folders`: the names of its subfolders."""
    names = set(folders)
    known = names & load_library_names()
    metadata = [name for name in names if name.endswith(".dist-info")]
    found = set().union(*(_list_installed(folder / name) for name in metadata))
    # an installation, some of whose metadata may have been left out
    found |= known if metadata else {name for name in known if _states_version(folder / name)}
    if found:  # beside one copy of a library, a package that states its version is another one
        found |= {name for name in names - found if _states_version(folder / name)}
    return frozenset(found)


def _list_installed(metadata: Path) -> set[str]:
    """Return the top-level entries that a distribution has installed."""
    lines = _read(metadata / "RECORD").decode("utf-8", "replace").splitlines()
    entries = {line.partition(",")[0].partition("/")[0] for line in lines}
    return {one for one in entries if one and one != ".."}


def _states_version(package: Path) -> bool:
    return VERSION.search(_read(package / "__init__.py")) is not None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
