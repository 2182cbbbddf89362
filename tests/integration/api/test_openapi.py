"""The OpenAPI document: schemathesis tests the server against it, and Spectral checks the document itself."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from platformdirs import user_cache_path

from tests.serving import RunningServer, serve

MAX_EXAMPLES = "10"
SPECTRAL = "@stoplight/spectral-cli@6"
# No schema says which cursors, ids and searches exist.
EXCLUDED_CHECKS = "positive_data_acceptance"
SETTINGS = {
    "with a token of the scope rw": (
        {"TICKETCTL_API_TOKENS": "rw:token-of-a-writer"},
        "token-of-a-writer",
        ("examples", "coverage", "fuzzing", "stateful"),
    ),
    "without tokens": ({}, "", ("examples", "coverage")),
}
"""The server's variables, the token that is sent, and the phases."""


@pytest.mark.parametrize("name", SETTINGS)
def test_no_request_gets_a_server_error_or_an_undocumented_response(
    shared_database_url: str, tmp_path: Path, name: str
) -> None:
    variables, token, phases = SETTINGS[name]
    environment = (
        os.environ
        | variables
        | {
            "TICKETCTL_DATABASE_URL": shared_database_url,
            "TICKETCTL_API_RATE": "1000000",
        }
    )
    options = () if token else ("--no-token",)
    with serve(environment, *options) as server:
        done = run_schemathesis(server, token, phases, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for phase in phases:
        assert re.search(rf"✅ +{phase}|{phase.capitalize()}.*✅|✅.*{phase.capitalize()}", done.stdout), (
            done.stdout
        )


def run_schemathesis(
    server: RunningServer, token: str, phases: tuple[str, ...], folder: Path
) -> "subprocess.CompletedProcess[str]":
    command = [
        Path(sys.executable).with_name("schemathesis"),
        "run",
        f"{server.url}/openapi.json",
        f"--phases={','.join(phases)}",
        f"--max-examples={MAX_EXAMPLES}",
        f"--exclude-checks={EXCLUDED_CHECKS}",
        "--mode=all",
        "--no-color",
        *([f"--header=Authorization: Bearer {token}"] if token else []),
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def install_spectral() -> Path:
    """Return the program Spectral, installed into a cache folder; skip the test if that is not possible."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder = user_cache_path("ticketctl-tests") / "spectral"
    program = folder / "node_modules" / ".bin" / "spectral"
    if not program.exists():
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), SPECTRAL]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"npm cannot install {SPECTRAL}: {done.stderr[-200:]}")
    return program


def test_spectral_finds_no_error_in_the_document(shared_database_url: str, tmp_path: Path) -> None:
    spectral = install_spectral()
    with serve(os.environ | {"TICKETCTL_DATABASE_URL": shared_database_url}) as server:
        document = httpx.get(f"{server.url}/openapi.json").text
    (tmp_path / "openapi.json").write_text(document)
    (tmp_path / "rules.json").write_text(json.dumps({"extends": ["spectral:oas"]}))
    command = [
        spectral,
        "lint",
        "openapi.json",
        "--ruleset=rules.json",
        "--format=json",
        "--fail-severity=error",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    findings = json.loads(done.stdout[: done.stdout.rindex("]") + 1])
    assert [finding for finding in findings if finding["severity"] == 0] == []
    # the only warning: the document names no contact
    assert {finding["code"] for finding in findings} <= {"info-contact"}
    assert done.returncode == 0
