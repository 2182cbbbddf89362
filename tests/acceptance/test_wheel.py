"""The wheel alone, in an empty environment away from the checkout, makes a ticket."""

import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.program import ROOT


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that the embedded server's own account can enter, so that nothing need be copied for it."""
    with tempfile.TemporaryDirectory(prefix="wheel-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    isolation = ["--no-isolation"] if find_spec("hatchling") else []
    run(sys.executable, "-m", "build", "--wheel", *isolation, "--outdir", folder, ROOT)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(folder: Path, wheel: Path) -> Path:
    """The programs of an environment that has the wheel and what it asks for."""
    venv.create(folder / "environment")
    programs = folder / "environment" / "bin"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python")
    run(*pip, "install", "--quiet", "--no-compile", f"{wheel}[embedded]")
    return programs


def run(*command: str | Path, **variables: str) -> str:
    """Run a command in an empty folder, knowing nothing of the checkout."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TICKETCTL_"))
    }
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=empty,
            env=kept | variables,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_in_it(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    assert "ticketctl/postgres/_migrations/env.py" in names
    assert {"ticketctl/deployment/template.yaml", "ticketctl/deployment/samconfig.toml"} <= set(names)
    assert [name for name in names if name.startswith("ticketctl/postgres/_migrations/versions/0001")]
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"ticketctl"}
    assert not [name for name in names if "/tests/" in name or "__pycache__" in name]
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]


def test_without_the_extra_the_api_says_what_to_install(installed: Path) -> None:
    done = subprocess.run([installed / "ticketctl", "serve"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (4, "")
    error, hint = done.stderr.splitlines()
    assert "which is not installed" in error
    assert hint == "hint: pip install 'ticketctl[api]'"


def test_it_makes_a_ticket_far_from_the_checkout(folder: Path, installed: Path) -> None:
    where = run(installed / "python", "-c", "import ticketctl; print(ticketctl.__file__)")
    assert where.startswith(str(folder))
    home = str(folder / "home")
    assert run(installed / "ticketctl", "create", "Fire", TICKETCTL_HOME=home) == "1\n"
    assert run(installed / "ticketctl", "list", TICKETCTL_HOME=home).endswith("\tFire\n")
    assert run(installed / "python", "-m", "ticketctl", "--version").startswith("ticketctl ")
