"""What the worker does with a batch of messages."""
