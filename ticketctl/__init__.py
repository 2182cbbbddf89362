"""A ticket processor whose worker survives AWS Lambda warm starts."""


def __getattr__(name: str) -> str:
    """Return `__version__` on demand, so that importing the package imports nothing else."""
    if name == "__version__":
        from importlib.metadata import version

        return version("ticketctl")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
