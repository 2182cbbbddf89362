"""What the program tells about itself: JSON logs, and spans and metrics for an OpenTelemetry collector."""
