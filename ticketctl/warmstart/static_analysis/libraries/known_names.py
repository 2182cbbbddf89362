"""Names that libraries give to event loops, and to the objects that are bound to them. Clients are in constructors."""

import re

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
CREATE_TASK = "create_task"
CANCEL = "cancel"
RUN_METHODS = frozenset({"run", "run_until_complete"})
"""Methods of loops and runners that run a coroutine."""
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
ROUTE_REGISTRARS = frozenset(
    {
        "add_api_route",
        "add_api_websocket_route",
        "add_event_handler",
        "add_route",
        "add_websocket_route",
        "include_router",
        "include_routers",
        "mount",
    }
)
"""Methods that append to a list inside an ASGI application."""
REGISTRARS = ROUTE_REGISTRARS | {
    "addFilter",
    "addHandler",
    "add_error_handler",
    "add_handler",
    "add_handlers",
    "add_span_processor",
    "callback_query_handler",
    "message_handler",
    "register_callback_query_handler",
    "register_message_handler",
}
"""Methods that append to a list inside a logger, a tracer's provider, a bot's application or an ASGI application."""
REGISTER = "register"
OBSERVERS = frozenset(
    {
        "callback_query",
        "channel_post",
        "edited_message",
        "errors",
        "inline_query",
        "message",
        "my_chat_member",
    }
)
"""Attributes of aiogram's routers whose register() appends a handler."""
REGISTERING_FUNCTIONS = frozenset({"atexit.register", "loguru.logger.add"})
"""Functions that append to a list of the process."""
UNREGISTRARS = frozenset(
    {"handlers", "remove", "removeFilter", "removeHandler", "remove_handler", "unregister"}
)
"""Methods that remove what the others add, and the list in a logger."""
LISTS_OF_THE_PROCESS = frozenset({"sys.meta_path", "sys.path", "sys.path_hooks"})
GETTERS = frozenset({"logging.getLogger"})
"""Functions that return the same object in each call."""
CONTEXT_STACKS = frozenset({"enter_async_context", "enter_context", "push_async_exit"})
EXIT_CALLBACKS = frozenset({"callback", "push_async_callback"})
"""Methods of an exit stack that register what it calls at its end."""
AGENTS = frozenset({"agents.Agent"})
"""Classes that a model may be passed to, instead of the one that their library makes."""
PLAIN_DECORATORS = re.compile(
    r"(abc|backoff|contextlib|functools|langsmith|tenacity|typing)\.\w+"
    r"|.*\.(staticmethod|classmethod|setter|capture_method|capture_async|inject_lambda_context|log_metrics)"
)
"""Decorators after which a function is called by its name, as before; others may register it with a library."""
MANGUM = "mangum.Mangum"
MANGUM_LOOP_PER_REQUEST = ("0.20.0",)
"""Releases of Mangum that run each request in asyncio.run()."""
POWERTOOLS_ASYNC_BATCH = ("async_process_partial_response", "AsyncBatchProcessor")
"""Names in aws_lambda_powertools.utilities.batch that run a batch on an event loop."""
STATEMENT_NAMES = "prepared_statement_name_func"
THREAD = "threading.Thread"
THREAD_STARTERS = frozenset(
    {"Process", "Thread", "Timer", "add_job", "run_in_executor", "run_sync", "submit", "to_thread"}
)
"""Functions and methods that call a function, which they are passed, in another thread or process.

APScheduler's add_job() is one: each of its schedulers runs a plain function in a thread.
"""
SCHEDULED_JOB = "scheduled_job"
"""APScheduler's decorator, which does the same."""
SET_EVENT_LOOP = "asyncio.set_event_loop"
ROUTES = frozenset(
    {
        "api_route",
        "delete",
        "exception_handler",
        "get",
        "head",
        "middleware",
        "on_event",
        "options",
        "patch",
        "post",
        "put",
        "route",
        "trace",
        "websocket",
    }
)
"""Decorators with which ASGI applications register the functions that they call."""
DEPENDS = "Depends"
"""FastAPI's function that makes a route depend on another function, which each request calls."""
ON_EVENT, WEBSOCKET, ADD_EVENT_HANDLER = "on_event", "websocket", "add_event_handler"
DISPATCH = "dispatch"
"""The method of a middleware that a request calls."""
LIFESPAN_ARGUMENTS = frozenset({"lifespan", "on_startup", "on_shutdown"})
"""Arguments that pass the functions which an ASGI application runs at its start and end."""
ASGI_REGISTRARS = frozenset(
    {
        "APIRouter",
        "Depends",
        "FastAPI",
        "Mangum",
        "Security",
        "Starlette",
        "add_api_route",
        "add_event_handler",
    }
    | {"add_exception_handler", "add_middleware", "add_task", "add_route", "include_router", "mount"}
)
"""Functions and methods to which an ASGI application's own functions are passed."""
ASGI_CLASSES = frozenset({"call:fastapi.FastAPI", "call:starlette.applications.Starlette"})
"""What assigns an ASGI application to a variable, as an alias."""
CONCURRENCY_STARTERS = frozenset(
    {
        "as_completed",
        "create_task",
        "ensure_future",
        "gather",
        "run_coroutine_threadsafe",
        "start_soon",
        "wait",
    }
)
"""Functions and methods that make coroutines run at the same time."""
