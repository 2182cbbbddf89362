"""How long a server asks a client to wait before the next attempt, in the forms that AI providers use."""

import math
import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx


def read_retry_after(headers: httpx.Headers) -> float | None:
    """Return the seconds in retry-after-ms, or in retry-after as a number or a date; None if there are none."""
    try:
        if "retry-after-ms" in headers:
            return _finite_seconds(float(headers["retry-after-ms"]) / 1000)
        after = headers.get("retry-after", "")
        return (
            _finite_seconds(float(after)) if re.fullmatch(r"\s*[\d.]+\s*", after) else _seconds_until(after)
        )
    except ValueError:
        return None


def read_retry_info(body: Any) -> float | None:
    """Return the seconds in google.rpc.RetryInfo, which Gemini sends in the error's details; None without it."""
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and re.fullmatch(r"\d{1,9}(\.\d{1,9})?s", delay):
            return float(delay[:-1])
    return None


def _seconds_until(date: str) -> float | None:
    if not date:
        return None
    when = parsedate_to_datetime(date)
    now = datetime.fromtimestamp(time.time(), UTC)
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - now).total_seconds())


def _finite_seconds(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
