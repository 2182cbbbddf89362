"""Names that libraries give to what is bound to an event loop, and to what makes and ends loops."""

import re

RUNS = frozenset(
    {
        "asyncio.run",
        "uvloop.run",
        "anyio.run",
        "asyncio.Runner",
        "asyncio.new_event_loop",
        "uvloop.new_event_loop",
    }
)
"""Calls that make an event loop; inside a function they make one each time."""
LOOPS = frozenset({"Runner", "new_event_loop"})
"""Of those, the ones that make a loop which may be kept; the others end theirs themselves."""
CONVERTERS = frozenset({"asgiref.sync.async_to_sync"})
"""What makes a function that runs each call on a loop of its own, wherever it is made."""
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
CLIENTS = frozenset(
    {
        "aiohttp.ClientSession",
        "aiohttp.TCPConnector",
        "aiokafka.AIOKafkaConsumer",
        "aiokafka.AIOKafkaProducer",
        "asyncio.open_connection",
        "asyncio.open_unix_connection",
        "asyncpg.connect",
        "asyncpg.create_pool",
        "aiomysql.create_pool",
        "aiopg.create_pool",
        "databases.Database",
        "grpc.aio.insecure_channel",
        "grpc.aio.secure_channel",
        "motor.motor_asyncio.AsyncIOMotorClient",
    }
)
ENTERED = "enter_async_context"
"""What an exit stack gives is open until the stack is closed, whatever it is."""
ASYNC_REDIS = "redis.asyncio."
CLIENT_NAME = re.compile(
    r"Async\w*(Client|Pool|Redis|Connection)|Async(OpenAI|AzureOpenAI|Anthropic|OpenSearch|Elasticsearch)"
)
"""How libraries name their asynchronous clients: httpx.AsyncClient, psycopg_pool.AsyncConnectionPool ..."""
CACHES = frozenset({"functools.cache", "functools.lru_cache", "functools.cached_property"})
CLOSERS = frozenset({"aclose", "close", "disconnect", "stop", "terminate"})
MANGUM = "mangum.Mangum"
BATCH_ASYNC = ("async_process_partial_response", "AsyncBatchProcessor")
"""Names in aws_lambda_powertools.utilities.batch that run a batch on an event loop."""
STATEMENT_NAMES = "prepared_statement_name_func"


def is_client(name: str) -> bool:
    """Whether calling this name makes a client or pool that keeps connections of one event loop."""
    last = name.rpartition(".")[2]
    if name.startswith(ASYNC_REDIS):
        return last in {
            "Redis",
            "StrictRedis",
            "RedisCluster",
            "ConnectionPool",
            "BlockingConnectionPool",
            "from_url",
        }
    return name in CLIENTS or last == ENTERED or CLIENT_NAME.fullmatch(last) is not None
