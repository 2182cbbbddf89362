"""Databases that cannot be used: each failure is one line, arrives in time and contains no password."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest

from ticketctl import event_loops
from ticketctl.errors import DatabaseError, StaleSchemaError
from ticketctl.runtime import Database, get_revision, open_store, prepare_tables, upgrade
from ticketctl.settings import Settings
from ticketctl.tickets.filters import TicketFilter
from ticketctl.tickets.models import NewTicket
from ticketctl.tickets.protocols import TicketPage

SECRET = "hunter2"  # noqa: S105 - the tests look for it where it must not be

Ask = Callable[[str], str]


def database(url: str, **chosen: Any) -> Database:
    return Database(Settings(database_url=url, **({"connect_timeout": 2.0} | chosen)), embedded=False)


def use(found: Database) -> TicketPage:
    """List tickets, as a command does."""

    async def work() -> TicketPage:
        async with open_store(found) as store:
            return await store.list(TicketFilter(), sort="created", limit=1, after=None, count=False)

    return event_loops.run(work())


@contextmanager
def listener(answer: bytes | None) -> Iterator[int]:
    """The port of a server that sends every client this answer; None: it sends nothing."""
    clients: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                client, _ = door.accept()
            except OSError:
                return
            clients.append(client)
            if answer is not None:
                client.recv(1024)
                client.sendall(answer)
                client.close()

    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = Thread(target=serve)
        thread.start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)
        thread.join()
    for client in clients:
        client.close()


def closed_port() -> int:
    """A port that no process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port: int = door.getsockname()[1]
    return port


class TestUnreachable:
    def test_nothing_listens_on_the_port(self) -> None:
        port = closed_port()
        url = f"postgresql://ada:{SECRET}@127.0.0.1:{port}/db"
        with pytest.raises(DatabaseError, match=rf"127\.0\.0\.1:{port}/db cannot be reached") as raised:
            use(database(url))
        assert SECRET not in f"{raised.value} {raised.value.hint}"
        assert "TICKETCTL_DATABASE_URL" in str(raised.value.hint)

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql:///db?host=/nowhere",
            "postgresql://nowhere.invalid/db",
            f"postgresql://{'x' * 70}.invalid/db",
            "postgresql://a..b/db",
            f"postgresql:///db?host=/{'x' * 200}",
        ],
        ids=["no socket", "no host", "a label too long", "an empty label", "a path too long"],
    )
    def test_an_unknown_host(self, url: str) -> None:
        with pytest.raises(DatabaseError, match="cannot be reached"):
            use(database(url))

    def test_a_server_that_never_answers_times_out(self) -> None:
        with listener(None) as port, pytest.raises(DatabaseError, match="cannot be reached"):
            use(database(f"postgresql://127.0.0.1:{port}/db", connect_timeout=0.2))

    @pytest.mark.parametrize("mode", ["prefer", "disable", "require"])
    @pytest.mark.parametrize(
        "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"N", b"E\0\0\0\x05x"], ids=repr
    )
    def test_a_server_that_is_not_postgres(self, answer: bytes, mode: str) -> None:
        with listener(answer) as port, pytest.raises(DatabaseError, match=f"{port}/db") as raised:
            use(database(f"postgresql://127.0.0.1:{port}/db?sslmode={mode}"))
        assert "\n" not in str(raised.value)


class TestRefusing:
    def test_an_unknown_database(self, server: str) -> None:
        with pytest.raises(DatabaseError, match='refused: database "nowhere" does not exist'):
            use(database(server.replace("/ticketctl?", "/nowhere?")))

    def test_an_unknown_user(self, server: str) -> None:
        with pytest.raises(DatabaseError, match='refused: role "ada" does not exist'):
            use(database(server.replace("postgres@", f"ada:{SECRET}@")))

    def test_a_user_without_permission(self, emptied_url: str, ask: Ask) -> None:
        ask("create role reader login")
        try:
            with pytest.raises(DatabaseError, match="refused: permission denied"):
                use(database(emptied_url.replace("postgres@", "reader@")))
        finally:
            ask("drop role reader")

    def test_an_unknown_parameter(self, emptied_url: str) -> None:
        with pytest.raises(DatabaseError, match="refused: unrecognized configuration parameter"):
            use(database(f"{emptied_url}&nonsense=1"))

    def test_a_write_to_a_read_only_database(self, emptied_url: str, ask: Ask) -> None:
        async def create() -> None:
            url = f"{emptied_url}&default_transaction_read_only=on"
            async with open_store(database(url)) as store:
                await store.create(NewTicket(subject="Fire"))

        with pytest.raises(DatabaseError, match=r"refused: .* in a read-only transaction"):
            event_loops.run(create())
        assert ask("select count(*) from tickets") == "0"


class TestStale:
    def test_a_database_without_tables(self, empty_database_url: str) -> None:
        with pytest.raises(StaleSchemaError, match="has no tables yet") as raised:
            use(database(empty_database_url))
        assert raised.value.hint == "create them: ticketctl db upgrade"

    def test_tables_of_an_older_revision(self, database_url: str, sql: Callable[..., str]) -> None:
        sql("update alembic_version set version_num = '0000'", database_url)
        with pytest.raises(StaleSchemaError, match="has tables of revision 0000") as raised:
            use(database(database_url))
        assert "ticketctl db upgrade" in str(raised.value.hint)

    def test_tables_of_a_newer_revision(self, database_url: str, sql: Callable[..., str]) -> None:
        sql("update alembic_version set version_num = '9999'", database_url)
        for look in (use, lambda found: event_loops.run(prepare_tables(found))):
            with pytest.raises(StaleSchemaError, match="revision 9999, which is newer") as raised:
                look(database(database_url))
            assert "newer ticketctl" in str(raised.value.hint)

    def test_newer_tables_of_the_embedded_server_are_not_changed(
        self, database_url: str, sql: Callable[..., str]
    ) -> None:
        sql("update alembic_version set version_num = '9999'", database_url)
        with pytest.raises(StaleSchemaError, match="which is newer"):
            use(Database(Settings(database_url=database_url), embedded=True))
        assert sql("select version_num from alembic_version", database_url) == "9999"

    def test_a_newer_database_is_not_upgraded(self, database_url: str, sql: Callable[..., str]) -> None:
        sql("update alembic_version set version_num = '9999'", database_url)
        with pytest.raises(StaleSchemaError, match="which is newer"):
            event_loops.run(upgrade(database(database_url)))

    def test_a_dropped_column(self, database_url: str, sql: Callable[..., str]) -> None:
        sql("alter table tickets drop column team", database_url)
        with pytest.raises(StaleSchemaError, match="lacks what this version needs"):
            use(database(database_url))

    def test_the_embedded_server_is_migrated_on_use(self, empty_database_url: str) -> None:
        assert use(Database(Settings(database_url=empty_database_url), embedded=True)).tickets == []

    def test_upgrade_creates_the_tables_and_is_idempotent(self, empty_database_url: str) -> None:
        found = database(empty_database_url)
        assert event_loops.run(get_revision(found)) is None
        revision = event_loops.run(upgrade(found))
        assert revision == event_loops.run(upgrade(found)) == event_loops.run(get_revision(found))
        assert use(found).tickets == []


def test_waiting_for_a_lock_ends_with_the_store_timeout(database_url: str, sql: Callable[..., str]) -> None:
    holder = Thread(target=sql, args=("begin; lock table tickets; select pg_sleep(2)", database_url))
    holder.start()
    while (
        sql("select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted", database_url)
        == "0"
    ):
        time.sleep(0.02)
    with pytest.raises(DatabaseError, match=r"did not answer within 0\.3 s"):
        use(database(database_url, store_timeout=0.3))
    holder.join()
