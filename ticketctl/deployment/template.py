"""Write the stack's template. Numbers that depend on each other are computed from the settings."""

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
from ticketctl.postgres.pools import explain_unsafe_pair, get_pool
from ticketctl.processing.deadline import require_time_to_start
from ticketctl.queues.batch_size import DEFAULT_BATCH_SIZE
from ticketctl.settings import PREFIX, SECRETS, Settings
from ticketctl.tickets.queue_protocols import QueuePolicy

TEMPLATE = "template.yaml"
SAM_CONFIG = "samconfig.toml"
MINIMUM_CONCURRENCY = 2
"""The smallest maximum concurrency that an event source mapping accepts."""

_LIMITS = {"function_timeout": 900, "batch_size": 10_000, "concurrency": 1000}
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html and services-sqs-parameters.html."""
_MAXIMUM_BATCH_WITHOUT_WINDOW = 10
_ALWAYS = ("loop", "max_connections", "visibility_timeout", "max_receive_count", "shutdown_reserve")
"""Settings that depend on other numbers of the template; they are written even if they have their defaults."""
_SET_BY_TEMPLATE = {
    "database_url",
    "database_iam",
    "database_secret_arn",
    "queue_url",
    "pool",
    "cache",
    "api_auth",
    "metrics",
    "ai_provider",
    "ai_model",
    "ai_api_key_secret_arn",
}
_SET_BY_LAMBDA = {"function_timeout", "window", "batch_size", "concurrency"}
_LOCAL_ONLY = {"home", "taxonomy", "ai_model_file", "ai_embeddings", "ai_examples", "application_name"}
_NEVER = SECRETS | _SET_BY_TEMPLATE | _SET_BY_LAMBDA | _LOCAL_ONLY
"""Settings that the functions do not get: secrets, those that the template or Lambda sets, and those of this machine."""


class _PercentTemplate(Template):
    """A template with `%name` placeholders, because CloudFormation uses `${Name}`."""

    delimiter = "%"


def render_stack(settings: Settings, target: Target) -> Mapping[str, str]:
    """Return the files of a deployable stack, keyed by their names.

    Raises:
        ConfigError: The settings contradict each other or exceed Lambda's limits.
    """
    completed = _check_and_complete(replace(settings, batch_size=settings.batch_size or DEFAULT_BATCH_SIZE))
    return {
        TEMPLATE: _PercentTemplate(_data(TEMPLATE)).substitute(_values(completed, target)),
        SAM_CONFIG: _data(SAM_CONFIG),
    }


def _check_and_complete(settings: Settings) -> Settings:
    """Return the settings with a visibility timeout that fits the others.

    Raises:
        ConfigError: A known problem: an unsafe pair, a limit of AWS, a secret that would be needed.
    """
    unsafe = explain_unsafe_pair(get_pool(settings.pool), get_loop_policy(settings.loop))
    if unsafe is not None:
        raise ConfigError(
            unsafe.partition(" See: ")[0], hint="ticketctl simulate-warm-starts shows which pair is safe"
        )
    for name in ("function_timeout", "window"):
        if not float(getattr(settings, name)).is_integer():
            raise ConfigError(
                f"the setting {name} is {getattr(settings, name):g}", hint="AWS accepts whole seconds only"
            )
    for name, most in _LIMITS.items():
        if getattr(settings, name) > most:
            raise ConfigError(
                f"the setting {name} is {getattr(settings, name):g}", hint=f"AWS allows {most} at most"
            )
    batch_size = settings.batch_size or DEFAULT_BATCH_SIZE  # `render_stack` has set it
    if batch_size > _MAXIMUM_BATCH_WITHOUT_WINDOW and settings.window < 1:
        raise ConfigError(
            f"batches of {batch_size} need a window",
            hint=f"set a window of at least 1 s, or a batch size of {_MAXIMUM_BATCH_WITHOUT_WINDOW} at most",
        )
    completed = replace(
        settings,
        visibility_timeout=math.ceil(minimum_visibility_timeout(settings)),
        concurrency=max(settings.concurrency, MINIMUM_CONCURRENCY),
    )
    policy = QueuePolicy(
        visibility_timeout=completed.visibility_timeout, max_receive_count=completed.max_receive_count
    )
    require_time_to_start(completed)
    for finding in check_queue(completed, policy, connection_limit=None):
        raise ConfigError(finding.cause, hint=finding.fix)
    return completed


def _values(settings: Settings, target: Target) -> dict[str, object]:
    visibility_timeout = int(settings.visibility_timeout)
    return {
        "runtime": target.runtime,
        "architecture": target.architecture,
        "worker_zip": PurePosixPath(PACKAGES, target.file_name("worker")),
        "api_zip": PurePosixPath(PACKAGES, target.file_name("api")),
        "pool": _quoted(settings.pool),
        "ai_provider": settings.ai_provider,
        "ai_model": _quoted(settings.ai_model or ""),
        "ai_key_rule": _ai_key_rule(settings),
        "ai_permission": _ai_permission(settings),
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


def _ai_key_rule(settings: Settings) -> str:
    """Return the assertion that the provider has a key, unless it has an address of its own and may need none."""
    if settings.ai_base_url is not None:
        return ""
    return (
        '      - Assert: !Not [!Equals [!Ref AiKeySecretArn, ""]]\n'
        "        AssertDescription: AiProvider needs AiKeySecretArn.\n"
    )


def _ai_permission(settings: Settings) -> str:
    """Return the statement that lets the worker's role call Amazon Bedrock, if Bedrock is the AI provider.

    https://docs.aws.amazon.com/bedrock/latest/userguide/inference.html
    """
    from ticketctl.ai.providers.authentication import is_bedrock  # imports httpx

    url = settings.ai_base_url or ""
    if settings.ai_provider == "offline" or not (settings.ai_auth == "aws" or is_bedrock(url)):
        return ""
    if "bedrock-mantle" in url:
        action, resources = "bedrock-mantle:CreateInference", ["bedrock-mantle:*:${AWS::AccountId}:project/*"]
    else:
        action = "bedrock:InvokeModel"
        resources = ["bedrock:*::foundation-model/*", "bedrock:*:${AWS::AccountId}:inference-profile/*"]
    lines = [f"- !Sub arn:${{AWS::Partition}}:{resource}" for resource in resources]
    return "".join(
        f"              {line}\n"
        for line in (
            "- Effect: Allow",
            f"  Action: {action}",
            "  Resource:",
            *(f"    {line}" for line in lines),
        )
    )


def _variables(settings: Settings) -> list[tuple[str, object]]:
    """Return the environment variables of the functions."""
    values = {f.name: getattr(settings, f.name) for f in fields(settings) if f.name not in _NEVER}
    defaults = Settings()
    return [
        (PREFIX + name.upper(), value)
        for name, value in values.items()
        if name in _ALWAYS or value != getattr(defaults, name)
    ]


def _quoted(value: object) -> str:
    """Return the value as a YAML string."""
    return json.dumps(f"{value:g}" if isinstance(value, float) else str(value), ensure_ascii=False)


def _data(name: str) -> str:
    return files("ticketctl.deployment").joinpath(name).read_text("utf-8")
