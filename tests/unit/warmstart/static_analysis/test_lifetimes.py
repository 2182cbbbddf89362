"""How long event loops and clients live, and where objects are closed."""

import pytest

from ticketctl.warmstart.static_analysis.analyzer import analyze

LOOP = "import asyncio, httpx\nclient = httpx.AsyncClient()\n"
RUN = "def handler(event, context):\n    return asyncio.run(main())\n"
WORKER = "import asyncio\nfrom mangum import Mangum\nhttp = Mangum(app)\ndef handler(event, context):\n"
FRESH = (
    "    loop = asyncio.new_event_loop()\n    try:\n        if 'Records' in event:\n"
    "            return loop.run_until_complete(main())\n    finally:\n        loop.close()\n"
    "        asyncio.set_event_loop(asyncio.new_event_loop())\n    return http(event, context)\n"
)
POOL = (
    "import asyncio, asyncpg\npool = None\nasync def get():\n    global pool\n    if pool is None:\n"
    "        pool = await asyncpg.create_pool()\n    return pool\nasync def main():\n    one = await get()\n"
    "    try:\n        await one.fetch('x')\n    finally:\n        await one.close()\n"
)

FAULTS = {
    "the current loop is closed": (
        (
            "import asyncio\ndef handler(event, context):\n    loop = asyncio.get_event_loop()\n"
            "    loop.run_until_complete(main())\n    loop.close()\n"
        ),
        [("app.py:5", "closes-current-loop")],
    ),
    "a new loop for each invocation is never closed": (
        (
            "import asyncio\ndef handler(event, context):\n    loop = asyncio.new_event_loop()\n"
            "    asyncio.set_event_loop(loop)\n    return loop.run_until_complete(main())\n"
        ),
        [("app.py:3", "loop-not-closed")],
    ),
    "a pool is closed but stays in its global": (POOL + RUN, [("app.py:13", "closed-but-cached")]),
    "a cached client is entered with async with": (
        "import asyncio, httpx, functools\n@functools.cache\ndef client():\n    return httpx.AsyncClient()\n"
        "async def main():\n    async with client() as one:\n        await one.get('x')\n" + RUN,
        [("app.py:6", "closed-but-cached")],
    ),
    "a client at module level is closed by each invocation": (
        LOOP
        + "async def main():\n    try:\n        await client.get('x')\n    finally:\n        await client.aclose()\n"
        + RUN,
        [("app.py:7", "closed-but-cached")],
    ),
    "another object of the same name is closed": (
        LOOP
        + "async def main():\n    client = open('x')\n    try: ...\n    finally:\n        client.close()\n"
        + RUN,
        [("app.py:2", "client-outlives-loop")],
    ),
    "a list at module level keeps a client": (
        "import asyncio, httpx\nkept = []\nasync def main():\n    kept.append(httpx.AsyncClient())\n" + RUN,
        [("app.py:4", "client-outlives-loop"), ("app.py:4", "grows-each-invocation")],
    ),
    "a dictionary keeps a client for each tenant": (
        "import asyncio, httpx\nkept = {}\nasync def main(tenant):\n    kept[tenant] = httpx.AsyncClient()\n"
        + RUN,
        [("app.py:4", "client-outlives-loop")],
    ),
    "a context variable keeps a client that synchronous code sets": (
        "import asyncio, httpx, contextvars\nkept = contextvars.ContextVar('kept')\ndef connect():\n"
        "    kept.set(httpx.AsyncClient())\n    await kept.get().aclose()\n" + RUN,
        [("app.py:4", "client-outlives-loop")],
    ),
    "an object that a kept object creates": (
        "import asyncio, httpx\nclass Web:\n    def __init__(self):\n        self.http = httpx.AsyncClient()\n"
        "class Service:\n    def __init__(self):\n        self.web = Web()\nservice = Service()\n" + RUN,
        [("app.py:4", "client-outlives-loop")],
    ),
    "a worker beside Mangum leaves an open loop, another one each time": (
        WORKER + FRESH,
        [("app.py:11", "loop-not-closed")],
    ),
    "a worker beside Mangum leaves an open loop to a client of another one": (
        WORKER
        + FRESH.replace("return http", "return client or http")
        + "import httpx\nclient = httpx.AsyncClient()\n",
        [
            ("app.py:5", "loop-beside-mangum"),
            ("app.py:11", "loop-beside-mangum"),
            ("app.py:11", "loop-not-closed"),
            ("app.py:14", "client-outlives-loop"),
        ],
    ),
    "an except block closes the loop that the try block could not find": (
        LOOP + "def handler(event, context):\n    try:\n        loop = asyncio.get_event_loop()\n"
        "    except RuntimeError:\n        loop = asyncio.new_event_loop()\n    try:\n"
        "        return loop.run_until_complete(client.get('x'))\n    finally:\n        loop.close()\n",
        [("app.py:2", "client-outlives-loop")],
    ),
    "a bot at module level runs in each invocation": (
        "import discord\nclient = discord.Client()\ndef handler(event, context):\n    client.run('t')\n",
        [("app.py:4", "closed-but-cached")],
    ),
    "a bot at module level is started in each invocation": (
        "import asyncio\nfrom discord.ext import commands\nbot = commands.Bot('!')\n"
        + RUN.replace("main()", "bot.start('t')"),
        [("app.py:3", "client-outlives-loop")],
    ),
    "a task is started and forgotten": (
        "import asyncio\nasync def main():\n    asyncio.create_task(audit())\n" + RUN,
        [("app.py:3", "lost-task")],
    ),
}

SOUND = {
    "a loop is created where there is none": (
        LOOP + "def handler(event, context):\n    try:\n        loop = asyncio.get_event_loop()\n"
        "    except RuntimeError:\n        loop = asyncio.new_event_loop()\n        asyncio.set_event_loop(loop)\n"
        "    return loop.run_until_complete(client.get('x'))\n"
    ),
    "a pool is closed and its global is reset": (
        POOL.replace("        await one.close()\n", "        await one.close()\n        reset()\n")
        + "def reset():\n    global pool\n    pool = None\n"
        + RUN
    ),
    "a client is kept and closed on another function's exit only in name": (
        "import asyncio, httpx\nasync def main():\n    client = httpx.AsyncClient()\n    try: ...\n    finally:\n"
        "        await client.aclose()\n" + RUN
    ),
    "a redis client reconnects after it was closed": (
        "import asyncio, redis.asyncio as redis\nclient = redis.Redis()\nasync def main():\n    try: ...\n"
        "    finally:\n        await client.aclose()\n" + RUN
    ),
    "a context variable that a coroutine sets": (
        "import asyncio, httpx, contextvars\nkept = contextvars.ContextVar('kept')\nasync def main():\n"
        "    kept.set(httpx.AsyncClient())\n    await kept.get().aclose()\n" + RUN
    ),
    "a runner and a client on one object": (
        "import asyncio, httpx\nclass App:\n    def __init__(self):\n        self.runner = asyncio.Runner()\n"
        "        self.client = httpx.AsyncClient()\n    def __call__(self, event, context):\n"
        "        return self.runner.run(self.client.get('x'))\nhandler = App()\ndef tool():\n    asyncio.run(main())\n"
    ),
    "tasks of a task group": (
        "import asyncio\nasync def main():\n    async with asyncio.TaskGroup() as group:\n"
        "        group.create_task(audit())\n" + RUN
    ),
    "asyncio.run in a thread beside Mangum": (
        "import asyncio, threading\nfrom mangum import Mangum\nhandler = Mangum(app)\n"
        "threading.Thread(target=asyncio.run, args=(main(),)).start()\n"
    ),
    "asyncio.run in a scheduler's thread beside Mangum": (
        "import asyncio\nfrom mangum import Mangum\nhandler = Mangum(app)\ndef job():\n    asyncio.run(main())\n"
        "@app.on_event('startup')\ndef start():\n    scheduler.add_job(job, 'interval')\n"
    ),
    "asyncio.run in a scheduled job beside Mangum": (
        "import asyncio\nfrom mangum import Mangum\nhandler = Mangum(app)\n@scheduler.scheduled_job('interval')\n"
        "def job():\n    asyncio.run(main())\n"
    ),
    "asyncio.run in a route, where it raises or runs in another thread": (
        "import asyncio\nfrom mangum import Mangum\nhandler = Mangum(app)\ndef run():\n    asyncio.run(main())\n"
        "@app.get('/a')\nasync def first():\n    run()\n@app.get('/b')\ndef second():\n    run()\n"
    ),
    "a loop that an except block creates beside Mangum": (
        WORKER
        + "    try:\n        loop = asyncio.get_event_loop()\n        loop.run_until_complete(main())\n"
        "    except RuntimeError:\n        loop = asyncio.new_event_loop()\n        try:\n"
        "            loop.run_until_complete(main())\n        finally:\n            loop.close()\n"
        "    return http(event, context)\n"
    ),
    "a handler that installs its own loop before it calls Mangum": (
        "import asyncio\nfrom mangum import Mangum\nhttp = Mangum(app)\nloop = None\ndef install():\n"
        "    global loop\n    if loop is None:\n        loop = asyncio.new_event_loop()\n"
        "    asyncio.set_event_loop(loop)\n@logged\ndef handler(event, context):\n"
        "    if event.get('source') == 'migrate':\n        return asyncio.run(main())\n    install()\n"
        "    return http(event, context)\n"
    ),
    "a bot for each invocation": (
        "import discord\ndef handler(event, context):\n    client = discord.Client()\n    client.run('t')\n"
    ),
    "a bot that runs where the file is a script": (
        "import discord\nclient = discord.Client()\ndef handler(event, context): ...\n"
        "if __name__ == '__main__':\n    client.run('t')\n"
    ),
    "a class of the project's own that is named like a client": (
        "import asyncio\nclass AsyncTokenClient:\n    def get(self): ...\nclient = AsyncTokenClient()\n" + RUN
    ),
    "a client that is created again for each loop": (
        "import asyncio, httpx\nclient = None\nowner = None\nasync def get():\n    global client, owner\n"
        "    loop = asyncio.get_running_loop()\n    if client is None or owner is not loop:\n"
        "        client = httpx.AsyncClient()\n        owner = loop\n    return client\n" + RUN
    ),
}


DB = (
    "from motor.motor_asyncio import AsyncIOMotorClient\nclient = None\nasync def open_db():\n    global client\n"
    "    client = AsyncIOMotorClient('x')\nasync def close_db():\n    global client\n    if client:\n"
    "        client.close()\n        client = None\n"
)
IN_FINALLY = (
    "import asyncio, db\nasync def main():\n    await db.open_db()\n    try:\n        await db.client.x.find_one()\n"
    "    finally:\n        await db.close_db()\n"
)
HOLDER = (
    "import httpx\nclass Database:\n    async def open(self):\n        self.client = httpx.AsyncClient()\n"
    "    async def close(self):\n        await self.client.aclose()\n"
    "    async def __aenter__(self):\n        await self.open()\n        return self\n"
    "    async def __aexit__(self, *args):\n        await self.close()\n"
    "one = Database()\ndef get():\n    return one\n"
)
CLOSED_BY_A_FUNCTION = {
    "a finally block calls it": {"app.py": IN_FINALLY + RUN, "db.py": DB},
    "a package publishes it": {
        "app.py": IN_FINALLY + RUN,
        "db/__init__.py": "from .mongo import client, close_db, open_db\n",
        "db/mongo.py": DB,
    },
    "a function that a finally block calls": {
        "app.py": IN_FINALLY.replace("db.close_db", "end")
        + "async def end():\n    await asyncio.gather(db.close_db())\n"
        + RUN,
        "db.py": DB,
    },
    "an exit stack calls it": {
        "app.py": "import asyncio, contextlib, db\nasync def main():\n"
        "    async with contextlib.AsyncExitStack() as stack:\n        stack.push_async_callback(db.close_db)\n"
        "        await db.open_db()\n        await db.client.x.find_one()\n" + RUN,
        "db.py": DB,
    },
    "a context manager calls it": {
        "app.py": "import asyncio, db\nfrom contextlib import asynccontextmanager\n@asynccontextmanager\n"
        "async def opened():\n    await db.open_db()\n    try:\n        yield\n    finally:\n        await db.close_db()\n"
        "async def main():\n    async with opened():\n        await db.client.x.find_one()\n" + RUN,
        "db.py": DB,
    },
    "a method of an object": {
        "app.py": "import asyncio, db\nasync def main():\n    await db.one.open()\n    try:\n"
        "        await db.one.client.get('x')\n    finally:\n        await db.one.close()\n" + RUN,
        "db.py": HOLDER,
    },
    "a method of what a function returns": {
        "app.py": "import asyncio\nfrom db import get\nasync def main():\n    one = get()\n    await one.open()\n"
        "    try:\n        await one.client.get('x')\n    finally:\n        await one.close()\n" + RUN,
        "db.py": HOLDER,
    },
    "the end of a context calls it": {
        "app.py": "import asyncio, db\nasync def main():\n    async with db.one:\n        await db.one.client.get('x')\n"
        + RUN,
        "db.py": HOLDER,
    },
    "an engine": {
        "app.py": IN_FINALLY.replace("db.client.x.find_one", "db.begin") + RUN,
        "db.py": "from sqlalchemy.ext.asyncio import create_async_engine\nengine = create_async_engine('x')\n"
        "async def open_db(): ...\nasync def begin():\n    await engine.connect()\n"
        "async def close_db():\n    await asyncio.sleep(0)\n    await engine.dispose()\n",
    },
}


@pytest.mark.parametrize("name", CLOSED_BY_A_FUNCTION)
def test_a_function_that_closes_the_object_however_the_invocation_ends_is_sound(check, name):
    assert check(CLOSED_BY_A_FUNCTION[name]) == []


def test_a_function_that_only_success_calls_does_not_close_the_object_for_certain(check):
    source = IN_FINALLY.replace("    finally:\n    ", "    except ValueError:\n        raise\n")
    assert check({"app.py": source + RUN, "db.py": DB}) == [("db.py:5", "client-outlives-loop")]


def test_a_finally_block_outside_of_the_loop_does_not_close_the_object(check):
    source = (
        "import asyncio, db\nasync def main():\n    await db.open_db()\n    await db.client.x.find_one()\n"
        "async def tool():\n    try:\n        await main()\n    finally:\n        await db.close_db()\n"
    )
    assert check({"app.py": source + RUN, "db.py": DB}) == [("db.py:5", "client-outlives-loop")]


def test_a_closed_object_that_stays_in_its_variable_is_found_behind_a_function(check):
    db = (
        "import asyncpg\npool = None\nasync def open_db():\n    global pool\n    if pool is None:\n"
        "        pool = await asyncpg.create_pool()\nasync def close_db():\n    await pool.close()\n"
    )
    source = IN_FINALLY.replace("client.x.find_one()", "pool.fetchval('x')")
    assert check({"app.py": source + RUN, "db.py": db}) == [("db.py:8", "closed-but-cached")]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(check, name):
    source, expected = FAULTS[name]
    assert check({"app.py": source}) == expected


@pytest.mark.parametrize("name", SOUND)
def test_sound_code_has_no_findings(check, name):
    assert check({"app.py": SOUND[name]}) == []


LOOKUP = "import asyncio\ndef handler(event, context):\n    return asyncio.get_event_loop().run_until_complete(main())\n"


@pytest.mark.parametrize(("runtime", "found"), [("python3.14", True), ("python3.13", False)])
def test_a_missing_current_loop_is_found_where_python_3_14_is_declared(check, runtime, found):
    template = f"Resources:\n  A:\n    Handler: app.handler\n    Runtime: {runtime}\n"
    expected = [("app.py:3", "no-current-loop")] if found else []
    assert check({"app.py": LOOKUP, "template.yaml": template}) == expected


BOTH = (
    "import asyncio\nasync def main(): ...\ndef handler(event, context):\n    loop = asyncio.get_event_loop()\n"
    "    if loop.is_running():\n        return asyncio.ensure_future(main())\n    return asyncio.run(main())\n"
)
TRIED = BOTH.replace("    loop =", "    try:\n        loop =").replace(
    "_loop()\n", "_loop()\n    except RuntimeError:\n        {}\n"
)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (BOTH, True),
        (TRIED.format("raise"), True),
        (TRIED.format("loop = asyncio.new_event_loop()"), False),
        (BOTH.replace("asyncio.run(", "loop.run_until_complete("), False),
        (
            BOTH.replace("def handler", "async def handle").replace("(event, context)", "()")
            + "def handler(event, context):\n    return asyncio.run(handle())\n",
            False,
        ),
        (
            (
                "import asyncio\nasync def main(): ...\ndef handler(event, context):\n    try:\n        return asyncio.run(main())\n"
                "    except RuntimeError:\n        return asyncio.get_event_loop().run_until_complete(main())\n"
            ),
            False,
        ),
    ],
)
def test_asyncio_run_leaves_no_current_loop_for_the_next_invocation(check, source, found):
    rules = [rule for _, rule in check({"app.py": source})]
    assert ("no-current-loop" in rules) is found


def test_what_one_exit_stack_enters_is_one_finding(write):
    source = (
        "import asyncio, contextlib\nclass Store:\n    async def open(self, session):\n"
        "        self.stack = contextlib.AsyncExitStack()\n"
        "        self.table = await self.stack.enter_async_context(session.resource('dynamodb'))\n"
        "        self.client = await self.stack.enter_async_context(session.client('dynamodb'))\n"
        "store = Store()\nasync def main():\n    await store.open(1)\n    await store.table.get()\n"
    )
    (finding,) = analyze(write({"app.py": source + RUN}), version=lambda _: None).findings
    assert (finding.place, finding.rule) == ("app.py:5", "client-outlives-loop")
    assert finding.cause.startswith(
        "What self.stack.enter_async_context() (line 6 too) enters is created once"
    )


def test_the_client_that_a_library_shares_is_one_finding(write):
    source = "import asyncio, more\nfrom agents import Runner\nasync def main():\n    await Runner.run(1, 'x')\n    await more.ask()\n"
    more = "from agents import Runner\nasync def ask():\n    return await Runner.run(2, 'y')\n"
    (finding,) = analyze(write({"app.py": source + RUN, "more.py": more}), version=lambda _: None).findings
    assert (finding.place, finding.rule) == ("app.py:4", "library-client-outlives-loop")
    assert finding.cause.startswith("agents.Runner.run (also at more.py:3) uses a client")


def test_a_loop_that_is_made_where_there_is_none_is_sound_in_a_handler_that_is_not_deployed(check):
    work = (
        "import asyncio\ndef work(event, context):\n    try:\n        loop = asyncio.get_event_loop()\n"
        "    except RuntimeError:\n        loop = asyncio.new_event_loop()\n        asyncio.set_event_loop(loop)\n"
        "    return loop.run_until_complete(main())\nasync def main(): ...\n"
    )
    app = (
        "from mangum import Mangum\nhandler = Mangum(app)\ndef lambda_handler(event, context):\n"
        "    from shop.jobs import work\n    return work(event, context) if event.get('job') else handler(event, context)\n"
    )
    template = (
        "Resources:\n  One:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: .\n"
        "      Handler: shop.main.handler\n"
    )
    package = {
        "shop/__init__.py": "",
        "shop/jobs/__init__.py": "from shop.jobs.bridge import work\n",
        "shop/jobs/bridge.py": work,
    }
    assert check({"shop/main.py": app, **package, "template.yaml": template}) == []
