"""Why a record failed, and how the error reads on its ticket."""

from ticketctl.processing.deadline import OutOfTimeError
from ticketctl.processing.pipeline import LeaseLostError

_CLOSED_LOOP_ERRORS = (
    "attached to a different loop",
    "another operation is in progress",
    "Event loop is closed",
    "the handler is closed",
)
_CLOSED_LOOP_CAUSE = (
    "the connection belongs to a closed event loop, because its pool outlives the loop; "
    "fix: set TICKETCTL_POOL=null, or TICKETCTL_LOOP=runner for one loop that stays open"
)


class RecordError(Exception):
    """The record cannot be processed, although nothing broke: it is malformed, its ticket unknown, or the time is up."""


class NotStartedError(RecordError):
    """Nothing was done for the record: there was too little time, or an earlier record of its group failed."""


class LeasedElsewhereError(RecordError):
    """Another worker holds the lease on the ticket; the message must be delivered again after the lease ends."""


def describe_error(error: BaseException) -> str:
    """Return the text of an error for the ticket, with its cause and fix first if they are known."""
    text = _error_text(error)
    if isinstance(error, RecordError | LeaseLostError | OutOfTimeError):
        return text
    text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{_CLOSED_LOOP_CAUSE} ({text})" if is_closed_loop_error(error) else text


def is_closed_loop_error(error: BaseException) -> bool:
    """Return whether a connection failed because it is bound to a closed event loop."""
    text = _error_text(error)
    return any(sign in text for sign in _CLOSED_LOOP_ERRORS)


def _error_text(error: BaseException) -> str:
    # SQLAlchemy's errors contain the SQL and its parameters; the driver's own error in `orig` does not
    text = str(getattr(error, "orig", None) or error)
    # the database and the log cannot store half of a surrogate pair
    return text.encode("utf-8", "backslashreplace").decode()
