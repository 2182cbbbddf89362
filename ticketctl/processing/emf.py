"""Metrics of an invocation in CloudWatch's Embedded Metric Format: one line in the log, and no collector.

CloudWatch makes metrics of JSON objects with the member `_aws`:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple

NAMESPACE = "ticketctl"
DIMENSION = "FunctionName"


class InvocationMetrics(NamedTuple):
    """What one invocation did: records by outcome, seconds, what the AI provider cost (None if unknown)."""

    done: int
    returned: int
    seconds: float
    cost: float | None
    account_refusals: int


def write_metrics(metrics: InvocationMetrics, function_name: str) -> None:
    """Print the metrics as a line of their own: a logger would wrap them in its format."""
    sys.stdout.write(json.dumps(to_emf(metrics, function_name, time.time()), separators=(",", ":")) + "\n")
    sys.stdout.flush()


def to_emf(metrics: InvocationMetrics, function_name: str, now: float) -> Mapping[str, object]:
    """Return the object that CloudWatch reads; `now` is in seconds since 1970."""
    values = {
        "RecordsDone": ("Count", metrics.done),
        "RecordsReturned": ("Count", metrics.returned),
        "InvocationDuration": ("Milliseconds", round(metrics.seconds * 1000, 1)),
        "AccountRefusals": ("Count", metrics.account_refusals),
    }
    if metrics.cost is not None:
        values["AiCost"] = ("None", round(metrics.cost, 6))
    described = [{"Name": name, "Unit": unit} for name, (unit, _) in values.items()]
    directive = {"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": described}
    return {
        "_aws": {"Timestamp": int(now * 1000), "CloudWatchMetrics": [directive]},
        DIMENSION: function_name,
        **{name: value for name, (_, value) in values.items()},
    }
