"""The functions' packages, built once for all tests by the program itself."""

import fcntl
import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from platform import machine
from zipfile import ZipFile

import pytest

from tests.program import COMMAND, ROOT

LAMBDA_BRINGS = ("awslambdaric", "simplejson", "snapshot-restore-py")
"""What calls a handler on Lambda, and what that needs."""


@pytest.fixture(scope="session")
def pip(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run a command that has pip get something; where nothing can be got at all, the test is skipped."""

    def run(*command: object) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        if done.returncode:
            aside = tmp_path_factory.mktemp("reached")
            reach = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", aside, "idna"]
            if subprocess.run(reach, capture_output=True, check=False).returncode:
                pytest.skip("pip's index cannot be reached")
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def packages(pip: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path_factory) -> Mapping[str, dict]:
    """What `deploy package` says of each package, by its name. One of the processes that run tests builds them."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "packages"
    report = folder / "report.json"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not report.exists():
            folder.mkdir(exist_ok=True)
            include = ("--include", ROOT / "LICENSE")
            chosen = ("--architecture", {"aarch64": "arm64"}.get(machine(), machine()))
            done = pip(*COMMAND, "deploy", "package", "--output", folder, *chosen, *include, "--json")
            report.write_text(done.stdout)
    return {one["name"]: one for one in json.loads(report.read_text())["packages"]}


@pytest.fixture(scope="session")
def unpacked(packages: Mapping[str, dict], tmp_path_factory) -> Mapping[str, Path]:
    """The folders that Lambda would make of the packages."""
    folders = {}
    for name, package in packages.items():
        folders[name] = tmp_path_factory.mktemp(name)
        with ZipFile(package["file"]) as archive:
            archive.extractall(folders[name])
    return folders


@pytest.fixture(scope="session")
def bare(tmp_path_factory) -> Path:
    """A Python that has the standard library, AWS's runtime client, and nothing else."""
    folder = tmp_path_factory.mktemp("bare") / "environment"
    venv.create(folder, symlinks=True)
    [site] = folder.glob("lib/python*/site-packages")
    for name in LAMBDA_BRINGS:
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or () if ".." not in file.parts}:
            (site / top).symlink_to(Path(str(distribution.locate_file(top))))
    return folder / "bin" / "python"
