"""The batch size of one execution environment: it follows the queue, unless the settings fix it."""

from ticketctl.settings import Settings

DEFAULT_BATCH_SIZE = 10
"""The default of SQS event source mappings."""
LARGEST_BATCH_SIZE = 100
"""The most messages that one failed invocation returns to the queue."""
_TARGET_SECONDS = 1.0
"""A batch that takes longer is not worth growing: what each batch costs once is a small part of it by then."""


class BatchSize:
    """The most messages of the next batch.

    While the queue fills every batch and all of it succeeds within a second, the size doubles: each batch costs a few
    statements, and with the default pool a connection, however many messages it has. A failure or a batch that is not
    full sets it back, so that a message that kills the worker returns few others and few messages are spread over all
    environments. It never grows where the settings name a size, where answers cost money, or above SQS's ten.
    """

    def __init__(self, settings: Settings) -> None:
        self._smallest = settings.batch_size or DEFAULT_BATCH_SIZE
        grows = (
            settings.batch_size is None and settings.queue_url is None and settings.ai_provider == "offline"
        )
        self._largest = LARGEST_BATCH_SIZE if grows else self._smallest
        self.limit = self._smallest

    def adjust(self, *, done: int, returned: int, seconds: float) -> None:
        """Choose the next size by the last batch: its messages that were deleted and released, and its duration."""
        if returned or done < self.limit:
            self.limit = self._smallest
        elif seconds <= _TARGET_SECONDS:
            self.limit = min(self._largest, self.limit * 2)
        else:
            self.limit = max(self._smallest, self.limit // 2)
