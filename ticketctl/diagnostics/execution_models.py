"""Execution models: the ways in which a handler uses event loops, each with the handler that the laboratory calls.

The worker has one for each loop policy. The API has `server` and `mangum`, which need the extra `api`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from ticketctl.errors import ConfigError
from ticketctl.event_loops import LOOPS

_WORKER_IMPORTS = (
    "ticketctl.worker",
    "ticketctl.ai.providers.factory",
    "ticketctl.ai.offline.provider",
    "ticketctl.ai.offline.drafting",
    "ticketctl.diagnostics.preload",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionModel:
    """One execution model.

    The laboratory calls `handler`, and imports `imports` once before it forks the environments. `pool` and `loop` are
    the settings that select the pool and the loop policy (None: the model has one loop policy only). Events are SQS
    events if `takes_records`, else HTTP API requests. `needs` are required modules of the extra `api`.
    """

    name: str
    handler: str
    imports: tuple[str, ...]
    pool: str = "TICKETCTL_POOL"
    loop: str | None = None
    takes_records: bool = False
    needs: tuple[str, ...] = ()


_ALL = (
    *(
        ExecutionModel(
            name=name,
            handler="ticketctl.worker:handler",
            imports=_WORKER_IMPORTS,
            loop="TICKETCTL_LOOP",
            takes_records=True,
        )
        for name in LOOPS
    ),
    ExecutionModel(
        name="server",
        handler="ticketctl.api.in_process_server:handler",
        imports=("ticketctl.api.in_process_server", "ticketctl.postgres.dialect"),
        pool="TICKETCTL_SERVER_POOL",
        needs=("fastapi", "uvicorn"),
    ),
    ExecutionModel(
        name="mangum",
        handler="ticketctl.api:handler",
        imports=("ticketctl.api", "ticketctl.postgres.dialect"),
        needs=("fastapi", "mangum"),
    ),
)

EXECUTION_MODELS: Mapping[str, ExecutionModel] = MappingProxyType({model.name: model for model in _ALL})


def require_extra(name: str) -> None:
    """Raise ConfigError if the model needs an extra that is not installed."""
    missing = next((module for module in EXECUTION_MODELS[name].needs if find_spec(module) is None), None)
    if missing is not None:
        raise ConfigError(
            f"the execution model {name} needs {missing}, which is not installed",
            hint="pip install 'ticketctl[api]'",
        )


def request_event(method: str, path: str, body: object) -> dict[str, Any]:
    """Return a request as API Gateway's HTTP API sends it to a function (payload format 2.0), with a JSON body.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "api.example.com"},
        "requestContext": {
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "ticketctl",
            },
            "stage": "$default",
        },
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
