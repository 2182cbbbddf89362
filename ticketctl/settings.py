"""Settings: read once per process from `ticketctl.toml` and the environment, then passed to the code that needs them.

A setting `name` is the key `name` in the file and the environment variable `TICKETCTL_NAME`. The environment wins.
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
"""Up to twelve hours, the longest visibility timeout of SQS."""
Count = Annotated[int, msgspec.Meta(ge=1)]


def _setting(default: Any, meaning: str, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"meaning": meaning, "secret": secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings with their defaults. Durations are in seconds."""

    database_url: str | None = _setting(
        None, "the postgresql:// URL of the database; default: the embedded server"
    )
    database_iam: bool = _setting(
        default=False, meaning="log in to RDS with an IAM authentication token instead of a password"
    )
    database_secret_arn: str | None = _setting(
        None, "the ARN of the AWS Secrets Manager secret with the database password"
    )
    home: str | None = _setting(None, "the data folder of the embedded server")
    pool: str = _setting("null", "the pool strategy of the worker")
    loop: str = _setting("run-per-invocation", "the loop policy of the worker")
    max_connections: Count = _setting(
        1, "the most database connections that one execution environment holds at a time"
    )
    connect_timeout: Seconds = _setting(10.0, "the timeout for opening a database connection, in seconds")
    store_timeout: Seconds = _setting(
        30.0, "the timeout of one database call with its connection checkout, in seconds"
    )
    queue_url: str | None = _setting(
        None, "the URL of an SQS queue; default: a table of the database is the queue"
    )
    batch_size: Count | None = _setting(None, "the most messages in one invocation; default: 10 to 100")
    window: Annotated[float, msgspec.Meta(ge=0, le=300)] = _setting(
        0.0, "how long to wait for a batch to fill, in seconds"
    )
    concurrency: Count = _setting(1, "the most execution environments that run at the same time")
    function_timeout: Seconds = _setting(30.0, "the timeout of one invocation, in seconds")
    visibility_timeout: Seconds = _setting(180.0, "the visibility timeout of the queue, in seconds")
    max_receive_count: Count = _setting(5, "deliveries of a message before it becomes a dead letter")
    shutdown_reserve: Seconds = _setting(
        2.0, "the grace period kept free at the end of an invocation, in seconds"
    )
    taxonomy: str | None = _setting(
        None,
        "a TOML file with the taxonomy, or a table [taxonomy] in ticketctl.toml; default: the built-in one",
    )
    cache: str | None = _setting(None, "the folder that caches models trained from the taxonomy's examples")
    ai_provider: Literal["offline", "openai", "anthropic"] = _setting(
        "offline", "the AI provider: offline, openai (or a server with the same API), or anthropic"
    )
    ai_base_url: str | None = _setting(None, "the base URL of the AI provider; default: its public address")
    ai_auth: Literal["auto", "bearer", "api-key", "aws"] = _setting(
        "auto",
        "how requests to the AI provider are authenticated: auto, bearer, api-key (the header of Azure), or aws "
        "(signed with AWS credentials)",
    )
    ai_api_version: str | None = _setting(None, "the API version of Azure OpenAI, like 2024-10-21")
    ai_api_key: str | None = _setting(None, "the API key of the AI provider", secret=True)
    ai_api_key_secret_arn: str | None = _setting(
        None, "the ARN of a secret with the AI provider's key, in AWS Secrets Manager"
    )
    ai_model: str | None = _setting(None, "the model of the AI provider")
    ai_model_classify: str | None = _setting(None, "another model for classification")
    ai_model_extract: str | None = _setting(None, "another model for extraction")
    ai_model_respond: str | None = _setting(None, "another model for drafting replies")
    ai_model_file: str | None = _setting(
        None, "a model file written by ticketctl train; replaces the taxonomy's examples"
    )
    ai_embeddings: str | None = _setting(None, "the folder of an ONNX embedding model (extra embeddings)")
    ai_examples: str | None = _setting(None, "labelled texts, of which the AI provider sees the nearest ones")
    ai_timeout: Seconds = _setting(30.0, "how long to wait for the next bytes of the AI provider, in seconds")
    ai_concurrency: Count = _setting(32, "the most concurrent requests to the AI provider")
    ai_max_tokens: Count = _setting(2000, "the most tokens in one response of the AI provider")
    ai_prices: str = _setting("", "prices per million input/output tokens: model=0.25/2, other-model=1/5")
    redact: bool = _setting(
        default=True, meaning="mask e-mail addresses and phone numbers in text for the AI provider"
    )
    phone_regions: str | None = _setting(
        None, "the countries whose national phone numbers are recognized, like US, DE; without it, 35 of them"
    )
    api_tokens: str | None = _setting(
        None, "the tokens of the API: scope:token, scope:token; a scope is r (read) or rw", secret=True
    )
    api_auth: Literal["tokens", "gateway"] = _setting(
        "tokens", "who authenticates requests on Lambda: the API by its tokens, or the gateway in front of it"
    )
    api_body_limit: Count = _setting(
        2_500_000,
        "the largest request body of the API, in bytes; the largest ticket fits, with all its text escaped",
    )
    api_rate: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] = _setting(
        100.0, "the request rate of one API client per second, which is also its burst size"
    )
    api_read_timeout: Seconds = _setting(
        20.0, "how long a client of the API may take to send a request's headers, and its body, in seconds"
    )
    api_connections: Count = _setting(512, "the most client connections that ticketctl serve holds at a time")
    api_proxies: str | None = _setting(
        None,
        "the proxies whose X-Forwarded-For ticketctl serve believes: addresses or networks, like 10.0.0.0/8",
    )
    server_pool: str = _setting("queue-pre-ping", "the pool strategy of ticketctl serve")
    server_connections: Count = _setting(10, "the most database connections of ticketctl serve")
    metrics: Literal["none", "emf"] = _setting(
        "none", "metrics in the worker's log: none, or emf for CloudWatch"
    )
    application_name: str = _setting("ticketctl", "the name of the connections in pg_stat_activity")

    @property
    def home_folder(self) -> Path:
        """Return the data folder of the embedded server."""
        if self.home is not None:
            return Path(self.home).expanduser().absolute()
        if os.geteuid() == 0:
            return Path("/var/lib/ticketctl")
        from platformdirs import user_data_path

        return user_data_path("ticketctl")

    @property
    def cache_folder(self) -> Path:
        """Return the folder that caches trained models."""
        if self.cache is not None:
            return Path(self.cache).expanduser().absolute()
        if self.home is not None or os.geteuid() == 0:
            return self.home_folder / "cache"
        from platformdirs import user_cache_path

        return user_cache_path("ticketctl")


MAX_TOML_BYTES = 2_000_000
"""The largest settings file or taxonomy that is read."""
_MAX_TOML_KEYS = 20_000
_MAX_REASON = 200  # characters of a parser's error that are shown
_DEEP_KEY = re.compile(r"(?<![\w-])(?:(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+\.[ \t]*+){50}")
_HEADER = re.compile(r"^[ \t]*+\[", re.MULTILINE)

NAMES = tuple(f.name for f in fields(Settings))
SECRETS = frozenset(f.name for f in fields(Settings) if f.metadata["secret"])
"""Settings whose values are never shown."""

_PATHS = ("home", "cache", "taxonomy", "ai_model_file", "ai_embeddings", "ai_examples")
"""Settings that are paths. In `ticketctl.toml` they are relative to its folder."""
_PRICE = r"[^\s=,]+=\d{1,9}(?:\.\d{1,9})?/\d{1,9}(?:\.\d{1,9})?"
_SCOPED = r"rw?:[A-Za-z0-9._~+/-]+=*"
"""A scope and a bearer token (RFC 6750)."""
_NETWORK = r"[0-9A-Fa-f.:]+(?:/\d{1,3})?"
_SECRET_ARN = (
    r"arn:[a-z-]+:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@!-]+",
    "example: arn:aws:secretsmanager:eu-central-1:123456789012:secret:NAME-AbCdEf",
)
_FORMATS = {
    "database_secret_arn": _SECRET_ARN,
    "ai_api_key_secret_arn": _SECRET_ARN,
    "ai_api_key": (r"[!-~]+", "a key consists of ASCII characters without spaces"),
    "ai_base_url": (r"https?://[^\s/?#@]+(?:/[^\s?#@]*)?", "example: https://host/v1, without a password"),
    "ai_api_version": (r"[A-Za-z0-9-]{1,40}", "example: 2024-10-21, or preview"),
    "api_tokens": (
        rf"{_SCOPED}(?:\s*,\s*{_SCOPED})*",
        "example: r:TOKEN, rw:TOKEN; a token has letters, digits and -._~+/, and may end with =",
    ),
    "api_proxies": (rf"{_NETWORK}(?:\s*,\s*{_NETWORK})*", "example: 127.0.0.1, 10.0.0.0/8, fd00::/8"),
    "phone_regions": (r"[A-Z]{2}(?:\s*,\s*[A-Z]{2})*", "they are country codes of ISO 3166, like US, DE"),
    "ai_prices": (rf"(?:{_PRICE}(?:\s*,\s*{_PRICE})*)?", "example: model=0.25/2, per million tokens"),
}
"""The format of text settings: a regular expression, and the hint for a value that does not match."""


def describe_settings() -> dict[str, str]:
    """Return what each setting means, by the name of its environment variable."""
    return {PREFIX + f.name.upper(): f.metadata["meaning"] for f in fields(Settings)}


def to_environment(settings: Settings) -> dict[str, str]:
    """Return the environment variables from which another process loads the same settings."""
    values = {name: getattr(settings, name) for name in NAMES}
    return {PREFIX + name.upper(): str(value) for name, value in values.items() if value is not None}


def load(environment: Mapping[str, str], *, folder: Path | None = None, **chosen: Any) -> Settings:
    """Load the settings. `chosen` are command-line values, None if not given; they win.

    `ticketctl.toml` is read from `folder`, or from the path in TICKETCTL_CONFIG.

    Raises:
        ConfigError: A value has the wrong type or format, or the file is invalid.
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
            f"the setting {name} is invalid: {problem}",
            hint=f"set {PREFIX}{name.upper()}, or {name} in {FILE}, to another value",
        ) from None
    for name, (pattern, hint) in _FORMATS.items():
        value = getattr(loaded, name)
        if value is not None and not re.fullmatch(pattern, value):
            raise ConfigError(f"the setting {name} is invalid", hint=hint)
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
    values = parse_toml(read_toml_text(path), str(path))
    unknown = sorted(set(values) - set(NAMES))
    if unknown:
        raise ConfigError(
            f"{path}: unknown setting {', '.join(unknown)[:_MAX_REASON]}",
            hint=f"the settings are: {', '.join(NAMES)}",
        )
    if isinstance(values.get("taxonomy"), dict):
        values["taxonomy"] = str(path)
    values = {name: value for name, value in values.items() if value != ""}
    named = {name: values[name] for name in _PATHS if isinstance(values.get(name), str)}
    return values | {name: str(path.parent / Path(value).expanduser()) for name, value in named.items()}


def read_toml_text(path: Path) -> str:
    """Return the text of a TOML file.

    Raises:
        ConfigError: The file cannot be read, is not UTF-8, or is larger than MAX_TOML_BYTES.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TOML_BYTES + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", hint="it must be UTF-8 text") from None
    if len(data) > MAX_TOML_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_TOML_BYTES:,} bytes", hint="name another file")
    return text.replace("\r\n", "\n")


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """Return the tables of a TOML text; `name` is the file's, for errors.

    The parser keeps about a kilobyte for each table, and needs quadratic time for a long dotted key: the text is
    checked first.

    Raises:
        ConfigError: The text is not TOML, or is nested too deeply, or has too many keys.
    """
    import tomllib

    if _DEEP_KEY.search(text):
        raise ConfigError(f"{name} is nested too deeply", hint="a key has at most 50 parts")
    if max(text.count("="), text.count("{"), len(_HEADER.findall(text))) > _MAX_TOML_KEYS:
        raise ConfigError(f"{name} has more than {_MAX_TOML_KEYS:,} keys", hint="make the file smaller")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{name} is nested too deeply", hint="write it with fewer levels") from None
    except ValueError as error:  # TOMLDecodeError is one; numbers and dates raise others
        raise ConfigError(
            f"{name} is not valid TOML: {str(error)[:_MAX_REASON]}",
            hint="ticketctl config init writes an example",
        ) from None
