"""A Postgres that asks for passwords and offers TLS. The embedded server's build has none: this is the system's."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.certificates import Certificates, make
from ticketctl import loops
from ticketctl.runtime import Database, upgrade
from ticketctl.settings import Settings

PASSWORD = "correct horse/battery@staple"  # noqa: S105 - of a role of the tests' own


@dataclass(frozen=True)
class Secured:
    """A server; `sql` speaks to it over a unix socket, which asks for nothing."""

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
        """The query of a URL that trusts this server and no other."""
        return f"sslmode=verify-full&sslrootcert={self.certificates.authority}"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def secured(certificates: Certificates, sql: Callable[..., str]) -> Iterator[Secured]:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not installed:
        pytest.skip("no Postgres with TLS is installed")
    programs = installed[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="ticketctl-secured-"))
    account: dict[str, Any] = {"cwd": folder, "env": {}}
    if os.geteuid() == 0:
        account |= {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    access = ("--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256")
    subprocess.run(
        [programs / "initdb", "-D", data, *access, "--no-sync"], check=True, capture_output=True, **account
    )
    for name, source in {"server.crt": certificates.certificate, "server.key": certificates.key}.items():
        shutil.copy(source, data / name)
        os.chown(data / name, data.stat().st_uid, data.stat().st_gid)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    options = (f"port={port}", f"unix_socket_directories={folder}", "ssl=on", "fsync=off")
    command = [programs / "postgres", "-D", data, *(part for one in options for part in ("-c", one))]
    admin = f"postgresql://postgres@/postgres?host={folder}&port={port}"
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **account
    ) as process:
        try:
            _wait([programs / "pg_isready", "-h", str(folder), "-p", str(port)])
            sql(f"create role ada superuser login password '{PASSWORD}'", admin)
            loops.run(upgrade(Database(Settings(database_url=admin), embedded=False)))
            yield Secured(port, certificates, lambda statement: sql(statement, admin))
        finally:
            process.send_signal(signal.SIGINT)
    shutil.rmtree(folder)


def _wait(ready: list[str | Path]) -> None:
    deadline = time.monotonic() + 30
    while subprocess.run(ready, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline, "the secured server did not start"
        time.sleep(0.02)
