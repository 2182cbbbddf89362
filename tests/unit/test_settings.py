import dataclasses
from pathlib import Path

import pytest

from ticketctl import settings
from ticketctl.errors import ConfigError
from ticketctl.settings import NAMES, Settings

SECRET = "hunter2"  # noqa: S105 - the tests look for it where it must not be


def write(folder: Path, content: str) -> Path:
    path = folder / "ticketctl.toml"
    path.write_text(content)
    return path


def test_without_anything_the_defaults_hold() -> None:
    assert settings.load({}) == Settings()
    assert (Settings().pool, Settings().loop, Settings().max_connections) == ("null", "run-per-invocation", 1)


def test_every_setting_can_be_in_the_environment() -> None:
    texts = {"pool", "loop", "home", "database_url", "queue_url", "application_name", "taxonomy"}
    values = {name: "x" if name in texts else "3" for name in NAMES}
    loaded = settings.load({f"TICKETCTL_{name.upper()}": value for name, value in values.items()})
    assert dataclasses.asdict(loaded) == {
        name: value if name in texts else 3 for name, value in values.items()
    }


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    write(tmp_path, 'pool = "queue"\nloop = "runner"\nmax_connections = 7\n')
    loaded = settings.load({"TICKETCTL_LOOP": "x"}, folder=tmp_path, max_connections=9, pool=None)
    assert (loaded.pool, loaded.loop, loaded.max_connections) == ("queue", "x", 9)


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert settings.load({"TICKETCTL_POOL": "", "TICKETCTL_STORE_TIMEOUT": ""}) == Settings()


def test_another_file_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, "store_timeout = 1.5\n").rename(tmp_path / "other.toml")
    assert settings.load({"TICKETCTL_CONFIG": str(path)}).store_timeout == 1.5


def test_a_taxonomy_in_the_file_is_found_there(tmp_path: Path) -> None:
    path = write(tmp_path, "pool = 'queue'\n[taxonomy]\nanything = 1\n")
    assert settings.load({}, folder=tmp_path).taxonomy == str(path)


def test_a_taxonomy_can_have_a_file_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, "taxonomy = 'desk.toml'\n")
    assert settings.load({}, folder=tmp_path).taxonomy == "desk.toml"
    assert settings.load({"TICKETCTL_TAXONOMY": "other.toml"}, folder=tmp_path).taxonomy == "other.toml"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_CONNECTIONS", "0"),
        ("MAX_CONNECTIONS", "1.5"),
        ("MAX_CONNECTIONS", "many"),
        ("STORE_TIMEOUT", "0"),
        ("STORE_TIMEOUT", "-1"),
        ("STORE_TIMEOUT", "soon"),
        ("STORE_TIMEOUT", "nan"),
        ("STORE_TIMEOUT", "inf"),
        ("CONNECT_TIMEOUT", "nan"),
        ("VISIBILITY_TIMEOUT", "1e300"),
        ("MAX_RECEIVE_COUNT", "0"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_setting(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name.lower()) as raised:
        settings.load({f"TICKETCTL_{name}": value})
    assert f"TICKETCTL_{name}" in str(raised.value.hint)


def test_no_complaint_shows_a_value(tmp_path: Path) -> None:
    write(tmp_path, f'database_url = ["{SECRET}"]')
    with pytest.raises(ConfigError) as raised:
        settings.load({}, folder=tmp_path)
    assert SECRET not in f"{raised.value} {raised.value.hint}"


@pytest.mark.parametrize(
    "content", ["pool = ", "\udcff", "pool = 'x'\npool = 'y'"], ids=["cut", "not UTF-8", "twice"]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ticketctl.toml"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match="cannot be read") as raised:
        settings.load({}, folder=tmp_path)
    assert str(path) in str(raised.value)
    assert raised.value.hint


def test_an_unknown_setting_in_the_file_is_refused_with_the_choices(tmp_path: Path) -> None:
    write(tmp_path, 'pol = "queue"')
    with pytest.raises(ConfigError, match="unknown setting pol") as raised:
        settings.load({}, folder=tmp_path)
    assert "pool" in str(raised.value.hint)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        settings.load({"TICKETCTL_CONFIG": str(tmp_path / "none.toml")})


def test_every_setting_says_what_it_means() -> None:
    meanings = settings.meanings()
    assert list(meanings) == [f"TICKETCTL_{name.upper()}" for name in NAMES]
    assert all(meanings.values())


def test_a_home_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings.load({"TICKETCTL_HOME": "here"}).home_folder == tmp_path / "here"
    assert settings.load({"TICKETCTL_HOME": "~/there"}).home_folder == Path.home() / "there"
