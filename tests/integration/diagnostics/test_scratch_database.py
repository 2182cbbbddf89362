"""Scratch databases on the embedded server: copies of a template, which an older version may have left."""

from collections.abc import Callable

import pytest

from ticketctl.postgres import scratch_database
from ticketctl.postgres.address import Address
from ticketctl.settings import Settings


async def test_a_new_template_replaces_those_of_other_versions(
    server: str, sql: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # a prefix of its own: the other tests of this server copy the real template
    monkeypatch.setattr(scratch_database, "TEMPLATES", "ticketctl_test_template_")
    monkeypatch.setattr(scratch_database, "TEMPLATE", "ticketctl_test_template_new")
    sql("create database ticketctl_test_template_old")
    for _ in range(2):
        async with scratch_database.scratch_database(
            Address.parse(server), Settings(), ours=True
        ) as database:
            assert len(await database.make_tickets(3)) == 3
        left = sql("select datname from pg_database where datname like 'ticketctl_test_template%'")
        assert left == "ticketctl_test_template_new"
    sql("drop database ticketctl_test_template_new")
