import dataclasses
from pathlib import Path
from typing import Any

import pytest

from ticketctl import settings
from ticketctl.errors import ConfigError
from ticketctl.settings import NAMES, Settings

SECRET = "hunter2"  # noqa: S105 - the tests look for it where it must not be
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1-AbCdEf"


def write(folder: Path, content: str) -> Path:
    path = folder / "ticketctl.toml"
    path.write_text(content)
    return path


def test_the_defaults() -> None:
    assert settings.load({}) == Settings()
    assert (Settings().pool, Settings().loop, Settings().max_connections) == ("null", "run-per-invocation", 1)


def test_every_setting_has_an_environment_variable() -> None:
    said = {
        **dict.fromkeys(NAMES, "3"),
        "ai_provider": "openai",
        "ai_base_url": "http://127.0.0.1:8000/v1",
        "ai_auth": "aws",
        "ai_prices": "small=0.25/2, large:70b=1/5.5",
        "redact": "false",
        "phone_regions": "US, DE",
        "api_tokens": "r:abc, rw:d-._~+/9==",
        "api_auth": "gateway",
        "metrics": "emf",
        "database_iam": "true",
        "database_secret_arn": ARN,
        "ai_api_key_secret_arn": ARN,
    }
    loaded = settings.load({f"TICKETCTL_{name.upper()}": value for name, value in said.items()})
    meant = {"redact": False, "database_iam": True}
    for name, value in dataclasses.asdict(loaded).items():
        assert value == (meant.get(name, said[name]) if said[name] != "3" else type(value)(3)), name


def test_settings_are_passed_on_through_the_environment() -> None:
    first = Settings(
        ai_provider="anthropic", ai_api_key=SECRET, ai_model="m", redact=False, ai_timeout=7.5, window=1.5
    )
    assert settings.load(settings.to_environment(first)) == first


def test_the_repr_contains_no_secret() -> None:
    assert SECRET not in repr(Settings(ai_api_key=SECRET, api_tokens=f"rw:{SECRET}"))
    assert {"ai_api_key", "api_tokens"} == settings.SECRETS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AI_PROVIDER", "nobody"),
        ("AI_BASE_URL", "example.com/v1"),
        ("AI_BASE_URL", "ftp://example.com"),
        ("AI_BASE_URL", f"https://ada:{SECRET}@example.com"),
        ("AI_BASE_URL", "https://example.com/v1?x=1"),
        ("AI_API_KEY", f"{SECRET}\n"),
        ("AI_API_KEY", f"{SECRET} {SECRET}"),
        ("AI_API_KEY", f"{SECRET}\u2013"),
        ("AI_PRICES", "small"),
        ("AI_PRICES", "small=1"),
        ("AI_PRICES", "small=1/-2"),
        ("AI_PRICES", "small=1/2,,large=1/2"),
        ("AI_PRICES", "small=1/nan"),
        ("AI_TIMEOUT", "0"),
        ("AI_TIMEOUT", "inf"),
        ("AI_CONCURRENCY", "0"),
        ("AI_MAX_TOKENS", "0"),
        ("REDACT", "perhaps"),
        ("API_TOKENS", SECRET),
        ("API_TOKENS", f"w:{SECRET}"),
        ("API_TOKENS", "rw:"),
        ("API_TOKENS", f"rw:{SECRET},"),
        ("API_TOKENS", f"rw:{SECRET} {SECRET}"),
        ("API_AUTH", "nobody"),
        ("API_RATE", "0"),
        ("API_BODY_LIMIT", "0"),
    ],
)
def test_an_invalid_format_is_refused_with_a_hint(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name.lower()) as raised:
        settings.load({f"TICKETCTL_{name}": value})
    assert raised.value.hint
    assert SECRET not in f"{raised.value} {raised.value.hint}"


def test_paths_in_the_file_are_relative_to_its_folder(tmp_path: Path) -> None:
    write(
        tmp_path,
        "home = 'data'\nai_model_file = '~/desk.model'\ncache = '/var/cache/desk'\nai_embeddings = 'MiniLM'\n",
    )
    loaded = settings.load({}, folder=tmp_path)
    assert loaded.home_folder == tmp_path / "data"
    assert loaded.ai_model_file == str(Path.home() / "desk.model")
    assert loaded.cache_folder == Path("/var/cache/desk")
    assert loaded.ai_embeddings == str(tmp_path / "MiniLM")


def test_the_cache_folder_is_in_the_home_folder_or_configured() -> None:
    assert Settings(home="/srv/desk").cache_folder == Path("/srv/desk/cache")
    assert Settings(home="/srv/desk", cache="/var/cache/desk").cache_folder == Path("/var/cache/desk")
    assert Settings().cache_folder.is_absolute()


def test_the_command_line_wins_over_the_environment_and_the_file(tmp_path: Path) -> None:
    write(tmp_path, 'pool = "queue"\nloop = "runner"\nmax_connections = 7\n')
    loaded = settings.load({"TICKETCTL_LOOP": "x"}, folder=tmp_path, max_connections=9, pool=None)
    assert (loaded.pool, loaded.loop, loaded.max_connections) == ("queue", "x", 9)


def test_an_empty_value_counts_as_not_set(tmp_path: Path) -> None:
    write(tmp_path, 'ai_base_url = ""\nhome = ""\npool = ""\n')
    assert settings.load({}, folder=tmp_path) == Settings()
    assert settings.load({"TICKETCTL_POOL": "", "TICKETCTL_STORE_TIMEOUT": ""}) == Settings()


def test_a_variable_names_another_file(tmp_path: Path) -> None:
    path = write(tmp_path, "store_timeout = 1.5\n").rename(tmp_path / "other.toml")
    assert settings.load({"TICKETCTL_CONFIG": str(path)}).store_timeout == 1.5


def test_a_taxonomy_can_be_a_table_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "pool = 'queue'\n[taxonomy]\nanything = 1\n")
    assert settings.load({}, folder=tmp_path).taxonomy == str(path)


def test_a_taxonomy_can_be_a_separate_file(tmp_path: Path) -> None:
    write(tmp_path, "taxonomy = 'desk.toml'\n")
    assert settings.load({}, folder=tmp_path).taxonomy == str(tmp_path / "desk.toml")
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
def test_an_invalid_value_names_its_setting(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name.lower()) as raised:
        settings.load({f"TICKETCTL_{name}": value})
    assert f"TICKETCTL_{name}" in str(raised.value.hint)


def test_no_error_shows_a_value(tmp_path: Path) -> None:
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
    with pytest.raises(ConfigError, match=r"cannot be read|is not valid TOML") as raised:
        settings.load({}, folder=tmp_path)
    assert str(path) in str(raised.value)
    assert raised.value.hint


def test_an_unknown_setting_in_the_file_is_refused_with_the_choices(tmp_path: Path) -> None:
    write(tmp_path, 'pol = "queue"')
    with pytest.raises(ConfigError, match="unknown setting pol") as raised:
        settings.load({}, folder=tmp_path)
    assert "pool" in str(raised.value.hint)


def test_the_file_in_the_variable_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        settings.load({"TICKETCTL_CONFIG": str(tmp_path / "none.toml")})


def test_every_setting_says_what_it_means() -> None:
    meanings = settings.describe_settings()
    assert list(meanings) == [f"TICKETCTL_{name.upper()}" for name in NAMES]
    assert all(meanings.values())


def test_a_home_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings.load({"TICKETCTL_HOME": "here"}).home_folder == tmp_path / "here"
    assert settings.load({"TICKETCTL_HOME": "~/there"}).home_folder == Path.home() / "there"


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"redact": False, "window": 0.1, "concurrency": 7},
        {"redact": True, "queue_url": "https://host/1/name", "visibility_timeout": 1e-3},
    ],
)
def test_another_process_loads_the_same_settings(chosen: dict[str, Any]) -> None:
    loaded = settings.load({}, **chosen)
    assert settings.load(settings.to_environment(loaded)) == loaded


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("TICKETCTL_BATCH_SIZE", "ten", "batch_size is invalid: it must be a whole number, not text"),
        ("TICKETCTL_WINDOW", "-1", "window is invalid: it must be a number of at least 0"),
        ("TICKETCTL_AI_PROVIDER", "x", "'x' is not one of its values: offline, openai, anthropic"),
    ],
)
def test_a_wrong_value_is_explained_in_plain_words(variable, value, problem):
    with pytest.raises(ConfigError, match=problem):
        settings.load({variable: value})
