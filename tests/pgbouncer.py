"""A PgBouncer for tests: it listens on loopback in front of a server's Unix socket."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from urllib.parse import parse_qs, urlsplit

from tests.postgres import account_of

POOL_SIZE = 20
"""Connections to the server for each database."""


def installed() -> str | None:
    """Return the program's path if it is installed; Debian puts it into /usr/sbin."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


@contextmanager
def pgbouncer(
    server: str, *, files: Mapping[str, str] = MappingProxyType({}), **options: object
) -> Iterator[int]:
    """Run a PgBouncer in transaction mode under the account that owns the server's socket; yield its port.

    `options` are PgBouncer's settings; `files` are written to its folder, which an option names as `{folder}`.
    """
    query = parse_qs(urlsplit(server).query)
    sockets, server_port = Path(query["host"][0]), query.get("port", ["5432"])[0]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": POOL_SIZE,
        "max_client_conn": 500,
    } | options
    with TemporaryDirectory(prefix="ticketctl-pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        lines = ["[databases]", f"* = host={sockets} port={server_port} user=postgres", "[pgbouncer]"]
        lines += [f"{name} = {value}".format(folder=folder) for name, value in settings.items()]
        for file, content in {**files, "pgbouncer.ini": "\n".join(lines)}.items():
            (folder / file).write_text(content)
            (folder / file).chmod(0o600)
            os.chown(folder / file, sockets.stat().st_uid, sockets.stat().st_gid)
        config, log = folder / "pgbouncer.ini", folder / "log"
        command = [installed() or "pgbouncer", config]
        with (
            log.open("w") as written,
            subprocess.Popen(command, stdout=written, stderr=written, **account_of(config)) as process,
        ):
            try:
                _wait(port, process, log)
                yield port
            finally:
                process.terminate()


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)
    raise AssertionError(f"pgbouncer did not start: {log.read_text()}")


def through(port: int, url: str) -> str:
    """Return the URL of the same database through the pooler."""
    return f"postgresql://postgres@127.0.0.1:{port}{urlsplit(url).path}"
