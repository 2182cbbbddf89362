"""The functions' packages: this program and what it needs, as Lambda unpacks them.

boto3 is left to Lambda's runtime, which brings it: what is asked of it (sending to SQS, a secret's value, a token for
RDS) is old, while a copy would double a package, and every cold start pays for size.
"""

import base64
import hashlib
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.resources import files
from pathlib import Path, PurePosixPath

from ticketctl.deployment import archive
from ticketctl.deployment.extra_files import included
from ticketctl.deployment.requirements import constraints, requirements
from ticketctl.deployment.target import Target
from ticketctl.errors import ConfigError, InvalidInputError
from ticketctl.postgres.migrations import find_scripts

_COMMAND_LINE = frozenset({"typer", "rich"})
_BUILD_ONLY = (
    *("archive.py", "extra_files.py", "package.py", "requirements.py", "target.py", "template.py"),
    *("template.yaml", "samconfig.toml"),
)
_LEFT_OUT = frozenset(
    {"__main__.py", "api/server.py", "api/in_process_server.py", "cli", "diagnostics", "warmstart"}
    | {f"deployment/{name}" for name in _BUILD_ONLY}
)
"""What no function calls, of our own, by where it is in the package: the command line, and the laboratory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A package: the extra that its functions need, and what they do without of others' and of our own."""

    name: str
    extra: str | None = None
    without: frozenset[str] = _COMMAND_LINE
    left_out: frozenset[str] = _LEFT_OUT


PARTS = (
    Part(name="worker", left_out=_LEFT_OUT | {"api"}),
    Part(name="api", extra="api", without=_COMMAND_LINE | {"alembic", "uvicorn"}),
)
"""The worker's package is the outbox's and the migration's, too."""

_NOISE = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "sboms", "bin", "include"})
"""What pip leaves beside a package: it tells of this machine, or of files that are left out."""
_TESTS = frozenset({"tests", "testing"})
_SOURCES = frozenset({".c", ".cpp", ".h", ".hpp", ".pxd", ".pxi", ".pyi", ".pyx", ".obj", ".pyc"})
"""What compiled modules were made from, and what only tools read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A zip that was built. Sizes in bytes; `sha256` in base64, as Lambda shows it for a function's code."""

    name: str
    file: str
    size: int
    unzipped_size: int
    sha256: str


def build(part: Part, target: Target, folder: Path, include: Sequence[Path] = ()) -> Package:
    """Build a part's package in `folder`, in the place of an older one; `include` are files of the user's own.

    Raises:
        ConfigError: There is no pip, or it does not get what is needed.
        InvalidInputError: A file of the user's own cannot be taken, or the package cannot be written.
    """
    path, own = folder / target.file_name(part.name), included(include)
    with tempfile.TemporaryDirectory(prefix="ticketctl-package-") as installed:
        _install(requirements(part.extra, part.without), target, Path(installed))
        try:
            contents = {
                **dict(_read(Path(installed))),
                **dict(_ours(part.left_out)),
                **own,
            }
            archive.write(path, contents)
        except OSError as error:
            raise InvalidInputError(
                f"{error.filename}: {error.strerror}",
                hint="name a folder that can be written",
            ) from None
    return _described(part, path, contents)


def _described(part: Part, path: Path, contents: Mapping[str, bytes]) -> Package:
    written = path.read_bytes()
    return Package(
        name=part.name,
        file=str(path),
        size=len(written),
        unzipped_size=sum(map(len, contents.values())),
        sha256=base64.b64encode(hashlib.sha256(written).digest()).decode(),
    )


def _install(needed: Sequence[str], target: Target, folder: Path) -> None:
    """Have pip put wheels for the target into a folder, in the versions that are installed here."""
    if importlib.util.find_spec("pip") is None:
        raise ConfigError(
            "pip is not installed beside ticketctl, and it gets what is packaged",
            hint=f"{sys.executable} -m ensurepip",
        )
    command = [
        *(sys.executable, "-P", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"),
        *("--no-compile", "--target", str(folder / "packages")),
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", target.python),
        *(option for platform in target.platforms for option in ("--platform", platform)),
        *("--constraint", str(folder / "constraints.txt")),
        *needed,
    ]
    (folder / "constraints.txt").write_text(constraints(), "utf-8")
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 - pip
    if done.returncode:
        raise _refused(done.stderr)


def _refused(told: str) -> ConfigError:
    """What pip has said, in a line. Its last words blame the versions even where no index answered."""
    if "connection broken" in told:
        return ConfigError(
            "pip cannot reach its index",
            hint="is there a network? python -m pip config list shows where it looks",
        )
    errors = [line.partition("ERROR: ")[2] for line in told.splitlines() if "ERROR: " in line]
    return ConfigError(
        f"pip cannot get what is packaged: {errors[0] if errors else told.strip()[-200:]}",
        hint="its index must have wheels for Lambda of the versions that are installed here",
    )


def _read(folder: Path) -> Iterator[tuple[str, bytes]]:
    """What pip has installed, less what no function needs."""
    installed = folder / "packages"
    for path in installed.rglob("*"):
        inside = path.relative_to(installed)
        parts = set(inside.parts)
        if path.is_file() and path.suffix not in _SOURCES and parts.isdisjoint(_NOISE | _TESTS):
            yield inside.as_posix(), path.read_bytes()


def _ours(left_out: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    """This program as it is installed or checked out, its migrations, and its version."""
    package = Path(str(files("ticketctl")))
    migrations = package / "postgres" / "_migrations"
    for path in _tree(package):
        if left_out.isdisjoint(_prefixes(path.relative_to(package))) and migrations not in path.parents:
            yield _inside("ticketctl", path, package), path.read_bytes()
    for path in _tree(find_scripts()):
        yield _inside("ticketctl/postgres/_migrations", path, find_scripts()), path.read_bytes()
    version = metadata.version("ticketctl")
    told = f"Metadata-Version: 2.1\nName: ticketctl\nVersion: {version}\n"
    yield f"ticketctl-{version}.dist-info/METADATA", told.encode()


def _tree(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _prefixes(path: Path) -> Iterator[str]:
    """The path itself, and every folder that it is in."""
    yield path.as_posix()
    yield from (folder.as_posix() for folder in path.parents)


def _inside(name: str, path: Path, folder: Path) -> str:
    return str(PurePosixPath(name) / path.relative_to(folder).as_posix())
