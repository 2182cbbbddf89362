"""Execution models: how code and event loops meet, each with the handler that shows it in the laboratory.

The worker's are its loop policies. The API's, `server` and `mangum`, are chosen by how it is run, and need the extra
`api`.
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
    """One model.

    `handler` is what the laboratory calls, `imports` what its environments import anyway, so that it can be done
    once before they are forked. `pool` and `loop` are the settings that choose its pool and loop policy (None: it
    has no choice); `takes_records`: its events are SQS events, else requests of an HTTP API. `needs` are modules of
    the extra `api`.
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
    """Make sure that a model can be tried. Raises ConfigError where its extra is not installed."""
    missing = next((module for module in EXECUTION_MODELS[name].needs if find_spec(module) is None), None)
    if missing is not None:
        raise ConfigError(
            f"the execution model {name} needs {missing}, which is not installed",
            hint="pip install 'ticketctl[api]'",
        )


def request_event(method: str, path: str, body: object) -> dict[str, Any]:
    """A request as API Gateway's HTTP API sends it to a function (payload format 2.0), with a JSON body.

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
