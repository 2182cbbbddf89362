"""The wheel, installed into an empty environment away from the checkout, works and has types."""

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
    """Return a folder that the embedded server's account can enter, so that it copies nothing."""
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
    """Return the programs' folder of an environment with the wheel, its requirements and pytest."""
    venv.create(folder / "environment")
    programs = folder / "environment" / "bin"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python")
    run(*pip, "install", "--quiet", "--no-compile", f"{wheel}[embedded]", "pytest")
    return programs


def run(*command: str | Path, **variables: str) -> str:
    """Run a command in an empty folder, without the variables that would lead it to the checkout."""
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


def test_the_wheel_contains_the_package_its_data_and_nothing_else(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    assert {"ticketctl/py.typed", "ticketctl/postgres/_migrations/env.py"} <= set(names)
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


USER_TEST = """\
from ticketctl.warmstart import Experiment, Finding, Report, Verdict, WarmStarts, run_experiment


def test_handler(warm_starts: WarmStarts) -> None:
    report: Report = warm_starts("app:handler", {"n": 1}, times=3, freeze="closed")
    assert report.verdict is Verdict.SAFE
    findings: list[Finding] = list(report.findings)
    assert not findings
    report.assert_safe()
    run_experiment(Experiment(handler="app:handler", events=[{}])).assert_safe()
"""


def check_types(installed: Path, folder: Path, source: str) -> str:
    """Return what `mypy --strict` prints about a user's test module, checked against the installed wheel."""
    # a name of its own, because mypy takes a file of the same size and second for unchanged
    module = folder / f"test_user_{len(list(folder.glob('test_user_*.py')))}.py"
    module.write_text(source)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={folder / 'mypy'}"),
            *(f"--python-executable={installed / 'python'}", module.name),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("correct", "misspelt", "error"),
    [
        ("", "", "Success: no issues found"),
        ("report.assert_safe()", "report.assert_saef()", '"Report" has no attribute "assert_saef"'),
        ("times=3", "tmies=3", 'Unexpected keyword argument "tmies" for "__call__" of "WarmStarts"'),
        ("import Experiment,", "import Expermient as Experiment,", 'has no attribute "Expermient"'),
        ('freeze="closed"', 'freeze="cold"', 'has incompatible type "Literal['),
    ],
)
def test_a_users_type_checker_finds_misspelt_names(folder, installed, correct, misspelt, error):
    output = check_types(installed, folder, USER_TEST.replace(correct, misspelt) if correct else USER_TEST)
    assert error in output
