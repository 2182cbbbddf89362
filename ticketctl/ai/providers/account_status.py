"""Whether the AI provider accepts the account, as the requests of this process show it."""


class AccountStatus:
    """Counts refusals of the whole account in a row, over all event loops of a process.

    The worker reports it after each invocation, so that `ticketctl work` can stop receiving tickets meanwhile.
    """

    def __init__(self) -> None:
        self.failures = 0
        """Refusals since the last response."""
        self.error: str | None = None
        """The text of the last refusal; None while the provider accepts the account."""

    def record_refusal(self, error: str) -> None:
        """Count a refusal of the account."""
        self.failures += 1
        self.error = error

    def record_response(self) -> None:
        """Forget earlier refusals: the provider has answered."""
        self.failures, self.error = 0, None
