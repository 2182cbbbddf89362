"""Choose the telemetry that the standard OTEL_* environment variables ask for."""

import logging
from collections.abc import Mapping
from importlib.util import find_spec

from ticketctl.telemetry.protocols import OFF, Telemetry

log = logging.getLogger(__name__)

_ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)
_PACKAGE = "opentelemetry.proto.collector"


def open_telemetry(environment: Mapping[str, str], environment_id: str) -> Telemetry:
    """Return telemetry for the collector that the environment names, else OFF.

    A missing package is a warning: telemetry never stops the work. `environment_id` tells processes apart.
    """
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or not any(
        environment.get(name) for name in _ENDPOINTS
    ):
        return OFF
    if not _is_installed(_PACKAGE):
        log.warning("OTEL_EXPORTER_OTLP_ENDPOINT is set, but not used: pip install 'ticketctl[otel]'")
        return OFF
    from ticketctl.telemetry.otlp import OtlpTelemetry

    try:
        return OtlpTelemetry(environment, environment_id)
    except Exception:
        log.exception("telemetry cannot start; check the OTEL_ environment variables")
        return OFF


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False
