"""What goes into a package is read from the installation's own metadata."""

from importlib import metadata

import pytest

from ticketctl.deployment.package import PARTS
from ticketctl.deployment.requirements import list_constraints, list_requirements

TOLD = {
    "single quotes": "fast-api[standard]<2,>=0.130; extra == 'api'",
    "double quotes": 'fast-api[standard]<2,>=0.130 ; extra=="api"',
}


@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
def test_an_extra_is_told_from_others(monkeypatch, told):
    others = ["core>=1", "left-out>=2", "uvloop>=3; extra == 'dev'", "old>=1; python_version < '3.12'"]
    monkeypatch.setattr(metadata, "requires", lambda _: [*others, told])
    core = ["core>=1", "old>=1; python_version < '3.12'"]  # any other marker is for pip to read
    assert list_requirements((), frozenset({"left-out"})) == core
    assert list_requirements({"api"}, frozenset({"left-out"})) == [*core, "fast-api[standard]<2,>=0.130"]


def test_each_package_needs_its_own_extra_alone():
    needed = {part.name: " ".join(list_requirements(part.extras, part.without)) for part in PARTS}
    assert "sqlalchemy[asyncio]" in needed["worker"]
    assert "alembic" in needed["worker"]  # the migration is in the worker's package
    for name in ("fastapi", "mangum"):
        assert name in needed["api"]
        assert name not in needed["worker"]
    for name in ("typer", "rich", "uvicorn", "boto3", "pytest", "pixeltable"):
        assert name not in " ".join(needed.values())


def test_the_versions_are_those_that_are_installed_here():
    lines = list_constraints().splitlines()
    assert f"asyncpg=={metadata.version('asyncpg')}" in lines
    assert lines == sorted(lines)
    assert not [line for line in lines if line.startswith("ticketctl==")]
