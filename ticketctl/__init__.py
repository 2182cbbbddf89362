"""A ticket processor whose worker survives AWS Lambda warm starts."""


def __getattr__(name: str) -> str:
    """Look `__version__` up when it is asked for: the package itself imports nothing."""
    if name == "__version__":
        from importlib.metadata import version

        return version("ticketctl")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
