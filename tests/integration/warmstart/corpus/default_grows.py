"""A list as the default of a parameter. Measured: its length is the number of the call."""


def handler(event, _context, seen=[]):  # noqa: B006 that it outlives an invocation is the point  # cause
    seen.append({"event": event})
    return len(seen)
