"""Names that libraries give to event loops, and to the objects that are bound to them. Clients are in constructors."""

LOOP_RUNNERS = frozenset({"asyncio.run", "uvloop.run", "anyio.run"})
"""Functions that create an event loop, run a coroutine on it and close it."""
LOOP_FACTORIES = frozenset(
    {
        "asyncio.Runner",
        "asyncio.new_event_loop",
        "uvloop.new_event_loop",
        "uvloop.Loop",
        "winloop.new_event_loop",
    }
)
"""Functions that create an event loop which the caller may keep."""
LOOP_MAKERS = LOOP_RUNNERS | LOOP_FACTORIES
CONVERTERS = frozenset({"asgiref.sync.async_to_sync", "asgiref.sync.AsyncToSync"})
"""Functions that make a synchronous function, each call of which runs on a new event loop."""
LOOP_LOOKUPS = frozenset({"asyncio.get_event_loop", "asyncio.get_running_loop"})
TASK_STARTERS = frozenset({"asyncio.create_task", "asyncio.ensure_future"})
ENGINES = frozenset({"create_async_engine", "async_engine_from_config"})
PRIMITIVES = frozenset(
    f"asyncio.{name}"
    for name in (
        "Barrier",
        "BoundedSemaphore",
        "Condition",
        "Event",
        "LifoQueue",
        "Lock",
        "PriorityQueue",
        "Queue",
        "Semaphore",
    )
)
CACHES = frozenset(
    {"functools.cache", "functools.lru_cache", "functools.cached_property", "cachetools.cached"}
)
CLOSERS = frozenset({"aclose", "close", "disconnect", "stop", "terminate", "wait_closed", "shutdown"})
REGISTRARS = frozenset({"addHandler", "add_error_handler", "add_handler", "add_handlers"})
"""Methods that append to a list inside a logger or a bot's application."""
CONTEXT_STACKS = frozenset({"enter_async_context", "enter_context", "push_async_exit"})
MANGUM = "mangum.Mangum"
POWERTOOLS_ASYNC_BATCH = ("async_process_partial_response", "AsyncBatchProcessor")
"""Names in aws_lambda_powertools.utilities.batch that run a batch on an event loop."""
STATEMENT_NAMES = "prepared_statement_name_func"
THREAD_STARTERS = ("Thread", "submit", "run_in_executor", "to_thread", "run_sync", "Process")
"""Functions and methods that call a function, which they are passed, in another thread or process."""
