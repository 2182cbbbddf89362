"""The rules that the doctor knows: their stable ids, and what `doctor --explain` prints."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RuleDescription:
    """One rule: what it finds, why that goes wrong, how to fix it, and an example of code that it finds."""

    id: str
    summary: str
    why: str
    fix: str
    example: str


LOOP_BOUND_FIX = (
    "Create it inside the coroutine that runs and close it there (async with, or a finally block); or keep one event "
    "loop for the life of the process: an asyncio.Runner at module level that every invocation uses."
)
ENGINE_FIX = (
    "Give the engine poolclass=NullPool, or await engine.dispose() in a finally block before the event loop ends; or "
    "keep one event loop for the life of the process, with pool_pre_ping=True."
)
RUNS = "def handler(event, context):\n    return asyncio.run(main(event))\n"

RULES = {
    one.id: one
    for one in (
        RuleDescription(
            "client-outlives-loop",
            "A client or a connection pool outlives the event loop that its connections belong to.",
            "A connection belongs to the event loop that opened it. asyncio.run() closes its loop at the end of each "
            "invocation, but a client at module level keeps the connection for the next invocation, which runs on "
            'another loop: "attached to a different loop", "Event loop is closed".',
            LOOP_BOUND_FIX,
            f"client = httpx.AsyncClient()\n\n{RUNS}",
        ),
        RuleDescription(
            "library-client-outlives-loop",
            "A library keeps a client of its own that outlives the event loop.",
            "Some libraries share one client between all calls in the process. Its connections belong to the event loop "
            "of the invocation that opened them.",
            "Keep one event loop for the life of the process: an asyncio.Runner at module level that every invocation "
            "uses; or pass the library a client that you create and close inside the coroutine.",
            f"async def main(event):\n    return await Runner.run(agent, event['text'])  # agents.Runner\n\n{RUNS}",
        ),
        RuleDescription(
            "closed-but-cached",
            "A client is closed at the end of an invocation but stays in the variable that the next one reads.",
            "The first invocation closes the client in a finally block or an async with block. The variable still holds "
            "it, so that the next invocation uses a closed client, on any event loop.",
            "Set the variable to None after closing the client; or create the client inside the coroutine and do not "
            "keep it; or keep both the client and one event loop, and do not close the client.",
            "pool = None\n\nasync def main(event):\n    global pool\n    if pool is None:\n"
            "        pool = await asyncpg.create_pool()\n    try:\n        return await pool.fetchval('select 1')\n"
            "    finally:\n        await pool.close()\n",
        ),
        RuleDescription(
            "client-never-closed",
            "Each invocation creates a client, and no code closes it.",
            "The client and its connections refer to each other, so that only the garbage collector frees them, at some "
            "later time. Until then each invocation leaves a socket open, on an event loop that may be gone.",
            "Create it with async with, or close it in a finally block (aclose(), shutdown()) before the coroutine ends; or "
            "keep one client and one event loop for the life of the process.",
            f"async def main(event):\n    client = httpx.AsyncClient()\n    await client.get(event['url'])\n\n{RUNS}",
        ),
        RuleDescription(
            "registered-each-invocation",
            "Each invocation adds a handler or a route to an object that lives as long as the process.",
            "A logger, a bot's application and an ASGI application keep every handler or route that is added to them. A "
            "logger then writes each line once more with each warm invocation; other objects keep growing. Mangum runs the "
            "lifespan of its application in each invocation, unless it is off.",
            "Add it at module level, once; or keep Mangum from running the lifespan: Mangum(app, lifespan='off').",
            "logger = logging.getLogger()\n\ndef handler(event, context):\n"
            "    logger.addHandler(logging.StreamHandler())\n",
        ),
        RuleDescription(
            "grows-each-invocation",
            "Each invocation adds an entry to a container that lives as long as the process, and no code removes one.",
            "A list, a dictionary or a set at module level, in a class, in a kept object or in a default argument stays "
            "from one invocation to the next. A list that is appended to, a key that is new each time (a UUID, the time, "
            "the id of a request) or a conversation that a library keeps fills the memory until Lambda ends the process. "
            "A cache whose keys come again is no finding.",
            "Create it in the invocation and pass it on; keep state in a database; or limit it: deque(maxlen=...), a cache "
            "with a maximum size, or code that removes old entries.",
            "runs = {}\n\ndef handler(event, context):\n    runs[context.aws_request_id] = event\n",
        ),
        RuleDescription(
            "temporary-file-kept",
            "Each invocation leaves another file in /tmp.",
            "The folder /tmp belongs to the execution environment and stays from one invocation to the next. A file or folder with a name "
            "that is new each time, which no code removes, fills its space (512 MB by default), and then nothing can be "
            "written. A file that is written again under the same name is no finding.",
            "Use tempfile.TemporaryFile() or tempfile.TemporaryDirectory() in a with statement; or remove the file in a finally "
            "block.",
            "def handler(event, context):\n    path = f'/tmp/{uuid.uuid4()}.pdf'\n    s3.download_file(BUCKET, event['key'], path)\n",
        ),
        RuleDescription(
            "engine-outlives-loop",
            "The connection pool of an SQLAlchemy engine outlives the event loop.",
            "The engine's pool hands a connection of a closed event loop to the next invocation. pool_pre_ping and "
            "pool_recycle do not help: the check itself uses the closed loop.",
            ENGINE_FIX,
            f"engine = create_async_engine(URL, pool_pre_ping=True)\n\n{RUNS}",
        ),
        RuleDescription(
            "engine-never-disposed",
            "A coroutine creates an SQLAlchemy engine and never disposes of it.",
            "Each invocation leaves connections open on an event loop that is gone, until the database server refuses "
            "new ones.",
            "await engine.dispose() in a finally block, or poolclass=NullPool.",
            "async def main(event):\n    engine = create_async_engine(URL)\n    async with engine.begin() as connection:\n"
            "        ...\n",
        ),
        RuleDescription(
            "dispose-on-success-only",
            "engine.dispose() runs only if the invocation succeeds.",
            "After the first failure the pool keeps a connection of a closed event loop.",
            "Put await engine.dispose() into a finally block.",
            "async def main(event):\n    await work()\n    await engine.dispose()\n",
        ),
        RuleDescription(
            "dispose-without-close",
            "engine.dispose(close=False) leaves connections open.",
            "Each invocation leaves connections open, until the database server refuses new ones.",
            "await engine.dispose() in a finally block before the event loop ends, or poolclass=NullPool.",
            "await engine.dispose(close=False)\n",
        ),
        RuleDescription(
            "primitive-outlives-loop",
            "A lock, event or queue of asyncio outlives the event loop that it binds itself to.",
            "It binds itself to the first event loop on which a task has to wait for it. A task that has to wait on a "
            'later loop gets "is bound to a different event loop". Without contention nothing happens, so this is a risk.',
            "Create it inside the coroutine that runs, and pass it on.",
            f"lock = asyncio.Lock()\n\n{RUNS}",
        ),
        RuleDescription(
            "closes-current-loop",
            "The handler closes the thread's current event loop, which it did not create.",
            "asyncio.get_event_loop() returns the same loop in the next invocation, which then gets "
            '"Event loop is closed".',
            "Do not close the loop; or use asyncio.run(), which creates and closes one for each invocation.",
            "def handler(event, context):\n    loop = asyncio.get_event_loop()\n    result = loop.run_until_complete(main())\n"
            "    loop.close()\n    return result\n",
        ),
        RuleDescription(
            "loop-not-closed",
            "Each invocation creates an event loop and does not close it.",
            "An event loop holds three file descriptors: the process runs out of them after some hundreds of "
            "invocations.",
            "Use asyncio.run(), or keep one event loop for the life of the process.",
            "def handler(event, context):\n    loop = asyncio.new_event_loop()\n    return loop.run_until_complete(main())\n",
        ),
        RuleDescription(
            "no-current-loop",
            "asyncio.get_event_loop() fails if no event loop is running or set.",
            "Until Python 3.13 it creates an event loop in the main thread, unless asyncio.run() was called there before: that "
            "leaves the thread without one. Since 3.14 it always raises RuntimeError.",
            "Use asyncio.run(), or an asyncio.Runner at module level.",
            "def handler(event, context):\n    return asyncio.get_event_loop().run_until_complete(main())\n",
        ),
        RuleDescription(
            "lost-task",
            "A task is started, and no code waits for it before the invocation ends.",
            "asyncio.run() cancels the tasks that are still running when the coroutine returns; their work is lost, and no "
            "error is raised. On an event loop that is kept, as behind Mangum, the task stops when the response is ready: "
            "Lambda freezes the process. A set that keeps the task does not make it run.",
            "Keep the task and await it: asyncio.TaskGroup, asyncio.gather, or the task itself. Put work that may outlive "
            "the invocation on a queue.",
            f"async def main(event):\n    asyncio.create_task(write_audit_log(event))\n\n{RUNS}",
        ),
        RuleDescription(
            "lost-thread",
            "A thread is started, and no code waits for it before the invocation ends.",
            "Lambda freezes the process when the response is ready, with all its threads. They go on when the next invocation "
            "thaws it, which may be much later, or never; a daemon thread ends with the process, wherever it is.",
            "Join the thread before the handler returns, or let a ThreadPoolExecutor in a with statement do it. Put work "
            "that may outlive the invocation on a queue.",
            "def handler(event, context):\n    threading.Thread(target=write_audit_log, args=(event,)).start()\n",
        ),
        RuleDescription(
            "unflushed-telemetry",
            "A library sends what it records from a thread of its own, and no code waits for it.",
            "Lambda freezes the process when the response is ready, with the thread that has not sent yet. It sends when a "
            "later invocation thaws the process, or never. Measured with each library: nothing had been sent when the handler "
            "returned.",
            "Flush it before the handler returns, in a finally block; or use the library's integration for Lambda, which does.",
            "sentry_sdk.init(DSN)\n\ndef handler(event, context):\n    return work(event)\n",
        ),
        RuleDescription(
            "endless-task",
            "A task that never ends by itself is cancelled only if the invocation succeeds.",
            "On an event loop that is kept between invocations a task goes on until it is cancelled. An exception before "
            "cancel() leaves it running in every later invocation, one more each time.",
            "Put task.cancel() into a finally block, or use asyncio.timeout() or a task group around the work.",
            "async def main(event):\n    task = asyncio.create_task(send_typing())  # while True\n    await work(event)\n"
            "    task.cancel()\n",
        ),
        RuleDescription(
            "loop-beside-mangum",
            "Code in the same Lambda function replaces the event loop that Mangum keeps.",
            "Mangum keeps the thread's event loop from request to request. asyncio.run() puts another one in its place and "
            "leaves none. Measured with Mangum 0.17.0, 0.19.0, 0.21.0 and 0.22.0 on Python 3.11 and 3.13: each request "
            'after it fails with "There is no current event loop"; Mangum 0.20.0 does not fail.',
            "Await the coroutine within a request (in the lifespan if it must run once), or move it to a Lambda function "
            "of its own.",
            "asyncio.run(load_settings())\nhandler = Mangum(app)\n",
        ),
        RuleDescription(
            "mangum-ends-its-loop",
            "Mangum 0.20.0 runs each request in asyncio.run().",
            "It ends the event loop with each request: what the application keeps between requests is bound to a loop that "
            "is gone. Read from the release's source.",
            "Install mangum>=0.21, which keeps its event loop.",
            "client = httpx.AsyncClient()  # used in a route\nhandler = Mangum(app)  # with mangum==0.20.0\n",
        ),
        RuleDescription(
            "powertools-loop-per-batch",
            "Powertools 3.22.1 and 3.23.0 create an event loop for each batch.",
            "They never close it: what is kept between invocations belongs to an earlier loop, and each invocation leaves "
            "a loop open. Read from the releases' source.",
            "Install aws-lambda-powertools>=3.24.0, which keeps its event loop.",
            "from aws_lambda_powertools.utilities.batch import AsyncBatchProcessor\n",
        ),
        RuleDescription(
            "unique-statement-names",
            "Unique names for prepared statements do not make a transaction pooler safe.",
            "They keep statements from colliding, but in transaction mode PgBouncer may prepare a statement on one backend "
            "and execute it on another: 169 of 192 autocommit calls failed in a measurement.",
            'poolclass=NullPool and connect_args={"statement_cache_size": 0}, and nothing else.',
            "connect_args={'prepared_statement_name_func': lambda: f'__{uuid4()}__'}\n",
        ),
        RuleDescription(
            "coroutine-handler",
            "The handler is a coroutine function, which Lambda does not await.",
            "Lambda calls the function, gets a coroutine, and cannot convert it to JSON.",
            "Make the handler a plain function that runs the coroutine: return asyncio.run(main(event)).",
            "async def handler(event, context):\n    ...\n",
        ),
        RuleDescription(
            "invalid-suppression",
            "A comment is meant to suppress a finding, but it has no reason or names an unknown rule.",
            "A suppression without a reason does not tell the next reader why the finding does not apply.",
            "Write # ticketctl: ignore[RULE] REASON on the line of the finding, or on a line of its own above it.",
            "client = httpx.AsyncClient()  # ticketctl: ignore[client-outlives-loop]\n",
        ),
        RuleDescription(
            "unreadable",
            "The file cannot be parsed as Python.",
            "The doctor runs under one Python version, and the file may be written for another.",
            "Fix the syntax, or run the doctor under the Python that the handler runs under.",
            "def handler(event, context:\n",
        ),
    )
}
