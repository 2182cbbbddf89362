"""A Postgres with passwords and TLS. It is the operating system's: the embedded build has no TLS."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import pytest

from tests.certificates import Certificates
from tests.postgres import account_of, postgres
from ticketctl import event_loops
from ticketctl.runtime import Database, upgrade
from ticketctl.settings import Settings

PASSWORD = "correct horse/battery@staple"  # noqa: S105 - of a role of the tests' own


@dataclass(frozen=True)
class Secured:
    """A server; `sql` connects over its Unix socket, which needs no password."""

    port: int
    certificates: Certificates
    sql: Callable[[str], str]

    def url(
        self, query: str = "", *, host: str = "localhost", user: str = "ada", password: str | None = None
    ) -> str:
        secret = "" if password is None else f":{quote(password, safe='')}"
        return f"postgresql://{user}{secret}@{host}:{self.port}/postgres?{query or 'sslmode=prefer'}"

    @property
    def verified(self) -> str:
        """The URL parameters that trust only this server's authority."""
        return f"sslmode=verify-full&sslrootcert={self.certificates.authority}"


@contextmanager
def secured_server(certificates: Certificates, sql: Callable[..., str]) -> Iterator[Secured]:
    """Run a server with the role `ada`, and the tables in its database `postgres`."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not installed:
        pytest.skip("no Postgres with TLS is installed")
    programs = installed[-1].parent
    with TemporaryDirectory(prefix="ticketctl-secured-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        data = folder / "data"
        access = ("--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync")
        command = [programs / "initdb", "-D", data, *access]
        subprocess.run(command, check=True, capture_output=True, **account_of(folder) | {"cwd": folder})
        for file, source in {"server.crt": certificates.certificate, "server.key": certificates.key}.items():
            shutil.copy(source, data / file)
            os.chown(data / file, data.stat().st_uid, data.stat().st_gid)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        with postgres(programs, data, port=port, unix_socket_directories=folder, ssl="on") as admin:
            sql(f"create role ada superuser login password '{PASSWORD}'", admin)
            event_loops.run(upgrade(Database(Settings(database_url=admin), embedded=False)))
            yield Secured(port, certificates, lambda statement: sql(statement, admin))
