"""Settings: read once per process from `ticketctl.toml` and the environment, then passed down.

The environment wins. Every setting is `TICKETCTL_` and its name in capitals, or its name in the file.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from ticketctl.errors import ConfigError, explain_validation_error

PREFIX = "TICKETCTL_"
FILE = "ticketctl.toml"
Seconds = Annotated[float, msgspec.Meta(gt=0, le=43_200)]
"""At most twelve hours, the longest that SQS hides a message."""
Count = Annotated[int, msgspec.Meta(ge=1)]


def _setting(default: Any, meaning: str, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"meaning": meaning, "secret": secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its default. Times are seconds."""

    database_url: str | None = _setting(None, "a postgresql:// URL; without it the embedded server is used")
    database_iam: bool = _setting(
        default=False, meaning="whether a token of RDS's IAM authentication is the database's password"
    )
    database_secret_arn: str | None = _setting(
        None, "the ARN of the secret of AWS Secrets Manager that holds the database's password"
    )
    home: str | None = _setting(None, "the folder of the embedded server's data")
    pool: str = _setting("null", "the pool strategy of the worker")
    loop: str = _setting("run-per-invocation", "the loop policy of the worker")
    max_connections: Count = _setting(
        1, "database connections that one execution environment holds at a time"
    )
    connect_timeout: Seconds = _setting(10.0, "seconds to wait for a database connection")
    store_timeout: Seconds = _setting(30.0, "seconds that one database call may take, its checkout included")
    queue_url: str | None = _setting(
        None, "an SQS queue's URL; without it the queue is a table of the database"
    )
    batch_size: Count = _setting(10, "messages that one invocation gets at most")
    window: Annotated[float, msgspec.Meta(ge=0, le=300)] = _setting(
        0.0, "seconds to wait for a batch to fill"
    )
    concurrency: Count = _setting(1, "execution environments that may run at the same time")
    function_timeout: Seconds = _setting(30.0, "seconds that one invocation may take")
    visibility_timeout: Seconds = _setting(180.0, "seconds that the queue hides a message it delivered")
    max_receive_count: Count = _setting(5, "deliveries of a message before it is given up")
    shutdown_reserve: Seconds = _setting(2.0, "seconds kept free at the end of an invocation")
    taxonomy: str | None = _setting(
        None,
        "a TOML file with the taxonomy, or a table of that name in ticketctl.toml; else the built-in one",
    )
    cache: str | None = _setting(None, "the folder that keeps models learned from the taxonomy's examples")
    ai_provider: Literal["offline", "openai", "anthropic"] = _setting(
        "offline", "who reads tickets: offline, openai (or a server that speaks its language), or anthropic"
    )
    ai_base_url: str | None = _setting(None, "where the AI provider is; without it, its own address")
    ai_api_key: str | None = _setting(None, "the key for the AI provider", secret=True)
    ai_model: str | None = _setting(None, "the model that the AI provider is asked for")
    ai_model_classify: str | None = _setting(None, "another model for the first step")
    ai_model_extract: str | None = _setting(None, "another model for the second step")
    ai_model_respond: str | None = _setting(None, "another model for drafts")
    ai_model_file: str | None = _setting(
        None, "a file that ticketctl train wrote, in place of the taxonomy's examples"
    )
    ai_timeout: Seconds = _setting(30.0, "seconds to wait for the AI provider's next bytes")
    ai_concurrency: Count = _setting(32, "requests to the AI provider at the same time")
    ai_max_tokens: Count = _setting(2000, "tokens that one answer of the AI provider may have")
    ai_prices: str = _setting(
        "", "what models cost per million tokens read and written: model=0.25/2, other-model=1/5"
    )
    redact: bool = _setting(
        default=True, meaning="whether e-mail addresses and phone numbers are kept from the AI provider"
    )
    api_tokens: str | None = _setting(
        None, "who may use the API: scope:token, scope:token; a scope is r (read) or rw", secret=True
    )
    api_auth: Literal["tokens", "gateway"] = _setting(
        "tokens", "who asks for tokens on Lambda: the API itself, or the gateway in front of it"
    )
    api_body_limit: Count = _setting(
        2_500_000, "bytes that one request to the API may have; the largest ticket fits, all its text escaped"
    )
    api_rate: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] = _setting(
        100.0, "requests per second that one client may make to the API, and as many at once"
    )
    server_pool: str = _setting("queue-pre-ping", "the pool strategy of ticketctl serve")
    server_connections: Count = _setting(10, "database connections that ticketctl serve holds at a time")
    application_name: str = _setting("ticketctl", "the name that the database server shows for connections")

    @property
    def home_folder(self) -> Path:
        """Where the embedded server's data live."""
        if self.home is not None:
            return Path(self.home).expanduser().absolute()
        if os.geteuid() == 0:
            return Path("/var/lib/ticketctl")
        from platformdirs import user_data_path

        return user_data_path("ticketctl")

    @property
    def cache_folder(self) -> Path:
        """Where models are kept that can be learned again."""
        if self.cache is not None:
            return Path(self.cache).expanduser().absolute()
        if self.home is not None or os.geteuid() == 0:
            return self.home_folder / "cache"
        from platformdirs import user_cache_path

        return user_cache_path("ticketctl")


NAMES = tuple(f.name for f in fields(Settings))
SECRETS = frozenset(f.name for f in fields(Settings) if f.metadata["secret"])
"""Settings whose value is never shown."""

_PATHS = ("home", "cache", "taxonomy", "ai_model_file")
"""Settings that name files; what the file says of them is meant from its own folder."""
_PRICE = r"[^\s=,]+=\d{1,9}(?:\.\d{1,9})?/\d{1,9}(?:\.\d{1,9})?"
_SCOPED = r"rw?:[A-Za-z0-9._~+/-]+=*"
"""A scope, and a token as RFC 6750 allows it."""
_SHAPES = {
    "database_secret_arn": (
        r"arn:[a-z-]+:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@!-]+",
        "it looks like arn:aws:secretsmanager:eu-central-1:123456789012:secret:NAME-AbCdEf",
    ),
    "ai_api_key": (r"[!-~]+", "a key has no spaces and nothing beyond ASCII"),
    "ai_base_url": (
        r"https?://[^\s/?#@]+(?:/[^\s?#@]*)?",
        "it looks like https://host/v1, without a password in it",
    ),
    "api_tokens": (
        rf"{_SCOPED}(?:\s*,\s*{_SCOPED})*",
        "they look like r:TOKEN, rw:TOKEN; a token is of letters, digits and -._~+/, with = at its end",
    ),
    "ai_prices": (
        rf"(?:{_PRICE}(?:\s*,\s*{_PRICE})*)?",
        "they look like model=0.25/2, other-model=1/5: a million tokens read, and written",
    ),
}
"""What a text must look like, as a regular expression, and how that is told."""


def describe_settings() -> dict[str, str]:
    """What each setting means, by the name of its environment variable."""
    return {PREFIX + f.name.upper(): f.metadata["meaning"] for f in fields(Settings)}


def to_environment(settings: Settings) -> dict[str, str]:
    """The variables that make another process load the same settings."""
    values = {name: getattr(settings, name) for name in NAMES}
    return {PREFIX + name.upper(): str(value) for name, value in values.items() if value is not None}


def load(environment: Mapping[str, str], *, folder: Path | None = None, **chosen: Any) -> Settings:
    """Build the settings; `chosen` are those given on the command line, None where they were not.

    `folder` is where `ticketctl.toml` may be; TICKETCTL_CONFIG names another file.

    Raises:
        ConfigError: A value is not of its setting's kind, or the file cannot be used.
    """
    values = _from_file(_file(environment, folder))
    values |= {name: environment[key] for name in NAMES if environment.get(key := PREFIX + name.upper())}
    values |= {name: value for name, value in chosen.items() if value is not None}
    try:
        loaded = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        name, problem = explain_validation_error(str(error))
        kind = next((f.type for f in fields(Settings) if f.name == name), None)
        if get_origin(kind) is Literal:
            problem = f"{problem}: {', '.join(get_args(kind))}"
        raise ConfigError(
            f"the setting {name} cannot be used: {problem}",
            hint=f"set {PREFIX}{name.upper()}, or {name} in {FILE}, to another value",
        ) from None
    for name, (shape, told) in _SHAPES.items():
        value = getattr(loaded, name)
        if value is not None and not re.fullmatch(shape, value):
            raise ConfigError(f"the setting {name} cannot be used", hint=told)
    return loaded


def _file(environment: Mapping[str, str], folder: Path | None) -> Path | None:
    named = environment.get(PREFIX + "CONFIG")
    if named:
        if not Path(named).is_file():
            raise ConfigError(
                f"there is no file {named}", hint=f"{PREFIX}CONFIG must name a file that exists"
            )
        return Path(named)
    return None if folder is None else folder / FILE


def _from_file(path: Path | None) -> dict[str, Any]:
    if path is None or not path.is_file():
        return {}
    import tomllib

    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", hint="mend the file, or move it away") from None
    unknown = sorted(set(values) - set(NAMES))
    if unknown:
        raise ConfigError(
            f"{path}: unknown setting {', '.join(unknown)}", hint=f"the settings are: {', '.join(NAMES)}"
        )
    if isinstance(values.get("taxonomy"), dict):
        values["taxonomy"] = str(path)
    values = {name: value for name, value in values.items() if value != ""}
    named = {name: values[name] for name in _PATHS if isinstance(values.get(name), str)}
    return values | {name: str(path.parent / Path(value).expanduser()) for name, value in named.items()}
