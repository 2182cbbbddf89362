"""The stack's template: numbers that depend on each other, computed from the settings and put where they belong."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, replace
from importlib.resources import files
from pathlib import PurePosixPath
from string import Template

from ticketctl.deployment.target import PACKAGES, Target
from ticketctl.diagnostics.queue_checks import VISIBILITY_FACTOR, check_queue, minimum_visibility_timeout
from ticketctl.errors import ConfigError
from ticketctl.event_loops import get_loop_policy
from ticketctl.postgres.pools import get_pool
from ticketctl.runtime import explain_unsafe_pair
from ticketctl.settings import PREFIX, SECRETS, Settings
from ticketctl.tickets.protocols import QueuePolicy

TEMPLATE = "template.yaml"
SAM_CONFIG = "samconfig.toml"
FEWEST_ENVIRONMENTS = 2
"""The smallest maximum concurrency that an event source mapping takes."""

_LIMITS = {"function_timeout": 900, "batch_size": 10_000, "concurrency": 1000}
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html and services-sqs-parameters.html."""
_BATCH_WITHOUT_WINDOW = 10
_ALWAYS = ("loop", "max_connections", "visibility_timeout", "max_receive_count", "shutdown_reserve")
"""Settings that belong to the template's other numbers, whatever a later version's defaults are."""
_OF_THE_TEMPLATE = {
    "database_url",
    "database_iam",
    "database_secret_arn",
    "queue_url",
    "pool",
    "cache",
    "api_auth",
}
_OF_LAMBDA = {"function_timeout", "window", "batch_size", "concurrency"}
_OF_THIS_MACHINE = {"home", "taxonomy", "ai_model_file", "application_name"}
_NEVER = SECRETS | _OF_THE_TEMPLATE | _OF_LAMBDA | _OF_THIS_MACHINE
"""Settings that the functions are not given: somebody else says them, or they hold here alone."""


class _Marks(Template):
    """`%name`, since CloudFormation's own marks are `${Name}`."""

    delimiter = "%"


def stack(settings: Settings, target: Target) -> Mapping[str, str]:
    """The files of a stack that can be deployed as it is, by their names.

    Raises:
        ConfigError: The settings do not fit each other, or Lambda's limits.
    """
    fitting = _fitting(settings)
    return {
        TEMPLATE: _Marks(_data(TEMPLATE)).substitute(_marks(fitting, target)),
        SAM_CONFIG: _data(SAM_CONFIG),
    }


def _fitting(settings: Settings) -> Settings:
    """The settings with a visibility timeout that fits the others, after everything that is known to go wrong."""
    unsafe = explain_unsafe_pair(get_pool(settings.pool), get_loop_policy(settings.loop))
    if unsafe is not None:
        raise ConfigError(
            unsafe.partition(" See: ")[0], hint="ticketctl simulate-warm-starts shows which pair is safe"
        )
    if settings.ai_provider != "offline" and settings.ai_base_url is None:
        raise ConfigError(
            f"the AI provider {settings.ai_provider} takes a key, and a template holds no secret",
            hint="TICKETCTL_AI_BASE_URL names a server of yours that takes none",
        )
    for name in ("function_timeout", "window"):
        if not float(getattr(settings, name)).is_integer():
            raise ConfigError(
                f"the setting {name} is {getattr(settings, name):g}", hint="AWS takes whole seconds"
            )
    for name, most in _LIMITS.items():
        if getattr(settings, name) > most:
            raise ConfigError(
                f"the setting {name} is {getattr(settings, name):g}", hint=f"AWS allows {most} at most"
            )
    if settings.batch_size > _BATCH_WITHOUT_WINDOW and settings.window < 1:
        raise ConfigError(
            f"batches of {settings.batch_size} take a window",
            hint=f"a window of 1 s at least, or a batch size of {_BATCH_WITHOUT_WINDOW} at most",
        )
    fitting = replace(
        settings,
        visibility_timeout=math.ceil(minimum_visibility_timeout(settings)),
        concurrency=max(settings.concurrency, FEWEST_ENVIRONMENTS),
    )
    policy = QueuePolicy(
        visibility_timeout=fitting.visibility_timeout, max_receive_count=fitting.max_receive_count
    )
    for finding in check_queue(fitting, policy, connection_limit=None):
        raise ConfigError(finding.cause, hint=finding.fix)
    return fitting


def _marks(settings: Settings, target: Target) -> dict[str, object]:
    visibility_timeout = int(settings.visibility_timeout)
    return {
        "runtime": target.runtime,
        "architecture": target.architecture,
        "worker_zip": PurePosixPath(PACKAGES, target.file_name("worker")),
        "api_zip": PurePosixPath(PACKAGES, target.file_name("api")),
        "pool": _quoted(settings.pool),
        "settings": "\n".join(f"        {name}: {_quoted(value)}" for name, value in _variables(settings)),
        "function_timeout": int(settings.function_timeout),
        "window": int(settings.window),
        "batch_size": settings.batch_size,
        "concurrency": settings.concurrency,
        "max_receive_count": settings.max_receive_count,
        "visibility_timeout": visibility_timeout,
        "visibility_rule": f"{VISIBILITY_FACTOR} x the worker's timeout of {settings.function_timeout:g} s, "
        f"and the window of {settings.window:g} s",
        "oldest_message": settings.max_receive_count * visibility_timeout,
        "connect_timeout": math.ceil(settings.connect_timeout),
    }


def _variables(settings: Settings) -> list[tuple[str, object]]:
    """The settings that the functions get, as environment variables."""
    values = {f.name: getattr(settings, f.name) for f in fields(settings) if f.name not in _NEVER}
    defaults = Settings()
    return [
        (PREFIX + name.upper(), value)
        for name, value in values.items()
        if name in _ALWAYS or value != getattr(defaults, name)
    ]


def _quoted(value: object) -> str:
    """A text that YAML reads as it is."""
    return json.dumps(f"{value:g}" if isinstance(value, float) else str(value), ensure_ascii=False)


def _data(name: str) -> str:
    return files("ticketctl.deployment").joinpath(name).read_text("utf-8")
