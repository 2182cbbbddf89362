"""Each rule on source that it must find, at the right line, and on sound source."""

from pathlib import Path

import pytest

from ticketctl.warmstart.static_analysis.analyzer import analyze
from ticketctl.warmstart.static_analysis.repository.project import HandlerNotFoundError

ENGINE = "from sqlalchemy.ext.asyncio import create_async_engine\n"
HANDLER = """
import asyncio
async def main(event): ...
def handler(event, context):
    return asyncio.run(main(event))
"""
RUN = "def handler(event, context):\n    return asyncio.run(main(event))\n"

FOUND = {
    "a client at module level": (
        "import httpx\nclient = httpx.AsyncClient()\n" + HANDLER,
        [("client-outlives-loop", 2)],
    ),
    "a client under another name": (
        "from httpx import AsyncClient as Web\nclient: Web = Web(timeout=3)\n" + HANDLER,
        [("client-outlives-loop", 2)],
    ),
    "redis": (
        "import redis.asyncio as redis\nr = redis.from_url('redis://x')\n" + HANDLER,
        [("client-outlives-loop", 2)],
    ),
    "a client that is made on first use": (
        "import aiohttp\nsession = None\nasync def get():\n    global session\n    if session is None:\n"
        "        session = aiohttp.ClientSession()\n    return session\n" + HANDLER,
        [("client-outlives-loop", 6)],
    ),
    "a pool that is awaited into a global": (
        "import asyncpg\npool = None\nasync def get():\n    global pool\n    pool = await asyncpg.create_pool()\n"
        + HANDLER,
        [("client-outlives-loop", 5)],
    ),
    "a cached client": (
        "from functools import lru_cache\nfrom openai import AsyncOpenAI\n@lru_cache(maxsize=1)\ndef ai():\n"
        "    return AsyncOpenAI()\n" + HANDLER,
        [("client-outlives-loop", 5)],
    ),
    "a connection that is awaited into a global": (
        "import asyncpg\none = None\nasync def get():\n    global one\n    one = await asyncpg.connect()\n"
        + HANDLER,
        [("client-outlives-loop", 5)],
    ),
    "streams": (
        "import asyncio\nasync def get():\n    global reader, writer\n"
        "    reader, writer = await asyncio.open_connection('x', 1)\n" + HANDLER,
        [("client-outlives-loop", 4)],
    ),
    "what a class method keeps": (
        "import asyncio\nclass Upstream:\n    @classmethod\n    async def get(cls):\n"
        "        cls.streams = await asyncio.open_connection('x', 1)\n" + HANDLER,
        [("client-outlives-loop", 5)],
    ),
    "what an exit stack keeps": (
        "from contextlib import AsyncExitStack\nstack = AsyncExitStack()\nasync def get(session):\n    global s3\n"
        "    s3 = await stack.enter_async_context(session.create_client('s3'))\n" + HANDLER,
        [("client-outlives-loop", 5)],
    ),
    "a class attribute": (
        "import httpx\nclass Api:\n    client = httpx.AsyncClient()\n" + HANDLER,
        [("client-outlives-loop", 3)],
    ),
    "an instance at module level": (
        "import httpx\nclass Api:\n    def __init__(self):\n        self.client = httpx.AsyncClient()\napi = Api()\n"
        + HANDLER,
        [("client-outlives-loop", 4)],
    ),
    "an unknown library whose class is named like a client": (
        "from weather import AsyncWeatherClient\nclient = AsyncWeatherClient()\n" + HANDLER,
        [("client-outlives-loop", 2)],
    ),
    "what a singleton connects later": (
        "import asyncpg\nclass Database:\n    _one = None\n    def __new__(cls):\n        if cls._one is None:\n"
        "            cls._one = super().__new__(cls)\n        return cls._one\n    async def get(self):\n"
        "        self.pool = await asyncpg.create_pool()\n" + HANDLER,
        [("client-outlives-loop", 9)],
    ),
    "what a closure keeps": (
        "import asyncpg\ndef make():\n    one = None\n    async def get():\n        nonlocal one\n"
        "        one = one or await asyncpg.connect()\n        return one\n"
        "    return get\nget = make()\n" + HANDLER,
        [("client-outlives-loop", 6)],
    ),
    "an attribute of something at module level": (
        "import threading, httpx\nlocal = threading.local()\ndef get():\n    local.client = httpx.AsyncClient()\n"
        + HANDLER,
        [("client-outlives-loop", 4)],
    ),
    "a dictionary at module level": (
        "import httpx\nkept = {}\ndef get():\n    kept['api'] = httpx.AsyncClient()\n" + HANDLER,
        [("client-outlives-loop", 4)],
    ),
    "a default that all calls share": (
        "import httpx\ndef get(kept={}):\n    kept['api'] = httpx.AsyncClient()\n" + HANDLER,
        [("client-outlives-loop", 3)],
    ),
    "what a function makes for the module": (
        "import httpx\ndef make():\n    made = httpx.AsyncClient()\n    return made\nclient = make()\n"
        + HANDLER,
        [("client-outlives-loop", 3)],
    ),
    "a connection that the import makes on a loop of its own": (
        "import asyncio, asyncpg\nasync def connect():\n    return await asyncpg.connect()\n"
        "one = asyncio.run(connect())\n" + HANDLER,
        [("client-outlives-loop", 3)],
    ),
    "asyncio.run handed to an executor": (
        (
            "import asyncio, httpx\nclient = httpx.AsyncClient()\ndef handler(event, context):\n"
            "    return pool.submit(asyncio.run, main()).result()\n"
        ),
        [("client-outlives-loop", 2)],
    ),
    "a Runner for each call": (
        (
            "import asyncio, httpx\nclient = httpx.AsyncClient()\ndef handler(event, context):\n"
            "    with asyncio.Runner() as runner:\n        runner.run(client.get('x'))\n"
        ),
        [("client-outlives-loop", 2)],
    ),
    "async_to_sync": (
        (
            "import httpx\nfrom asgiref.sync import async_to_sync\nclient = httpx.AsyncClient()\n@async_to_sync\n"
            "async def handler(event, context): ...\n"
        ),
        [("client-outlives-loop", 3)],
    ),
    "an engine": (
        ENGINE + "engine = create_async_engine('postgresql+asyncpg://')\n" + HANDLER,
        [("engine-outlives-loop", 2)],
    ),
    "an engine with pool_pre_ping": (
        ENGINE + "engine = create_async_engine('postgresql+asyncpg://', pool_pre_ping=True)\n" + HANDLER,
        [("engine-outlives-loop", 2)],
    ),
    "a lock": (
        "import asyncio\nlock = asyncio.Lock()\nasync def one():\n    async with lock: ...\n"
        "async def main(event):\n    await asyncio.gather(one(), one())\n" + RUN,
        [("primitive-outlives-loop", 2)],
    ),
    "an engine for each call, never disposed of": (
        ENGINE + "async def work(event):\n    engine = create_async_engine('x')\n" + HANDLER,
        [("engine-never-disposed", 3)],
    ),
    "dispose on the success path only": (
        ENGINE + "engine = create_async_engine('x')\nasync def work():\n    await engine.connect()\n"
        "    await engine.dispose()\n" + HANDLER,
        [("dispose-on-success-only", 5)],
    ),
    "dispose without close": (
        ENGINE
        + "engine = create_async_engine('x')\nasync def work():\n    await engine.dispose(close=False)\n"
        + HANDLER,
        [("dispose-without-close", 4), ("engine-outlives-loop", 2)],
    ),
    "a loop beside Mangum": (
        (
            "import asyncio\nfrom mangum import Mangum\nfrom web import app\nasyncio.run(print())\n"
            "handler = Mangum(app)\n"
        ),
        [("loop-beside-mangum", 4)],
    ),
    "Mangum beside a worker": (
        (
            "import asyncio, mangum\nfrom web import app\nhttp = mangum.Mangum(app)\nasync def work(event): ...\n"
            "def handler(event, context):\n    if 'Records' in event:\n        return asyncio.run(work(event))\n"
            "    return http(event, context)\n"
        ),
        [("loop-beside-mangum", 7)],
    ),
    "unique statement names": (
        ENGINE
        + "from uuid import uuid4\nfrom sqlalchemy import NullPool\nengine = create_async_engine(\n    'x',\n"
        "    poolclass=NullPool,\n    connect_args={\n"
        "        'prepared_statement_name_func': lambda: str(uuid4()),\n    },\n)\n" + HANDLER,
        [("unique-statement-names", 8)],
    ),
    "unique statement names as a keyword": (
        "ARGUMENTS = dict(prepared_statement_name_func=str)\n" + HANDLER,
        [("unique-statement-names", 1)],
    ),
    "a coroutine function as handler": (
        "async def handler(event, context): ...\n",
        [("coroutine-handler", 1)],
    ),
    "what is no Python": ("def handler(event, context:\n", [("unreadable", 1)]),
}

SOUND = {
    "nothing": "",
    "a global that each call closes": (
        "import aiohttp\nsession = None\nasync def work():\n    global session\n    session = aiohttp.ClientSession()\n"
        "    try:\n        await session.get('x')\n    finally:\n        await session.close()\n" + HANDLER
    ),
    "an instance that opens and closes with each call": (
        "import httpx\nclass Api:\n    async def __aenter__(self):\n        self.client = httpx.AsyncClient()\n"
        "    async def __aexit__(self, *error):\n        await self.client.aclose()\napi = Api()\n" + HANDLER
    ),
    "an instance for each call": (
        "import httpx\nclass Api:\n    async def open(self):\n        self.client = httpx.AsyncClient()\n"
        "async def work():\n    await Api().open()\n" + HANDLER
    ),
    "a client for each loop": (
        "import asyncio, httpx\nkept = {}\ndef client():\n    loop = asyncio.get_running_loop()\n"
        "    kept[loop] = httpx.AsyncClient()\n    return kept[loop]\n" + HANDLER
    ),
    "a name that is only the function's own": (
        "import httpx\nkept = {}\nasync def work():\n    kept = {}\n    kept['api'] = httpx.AsyncClient()\n"
        + HANDLER
    ),
    "a function that makes a client for whoever calls it": (
        "import httpx\ndef make():\n    return httpx.AsyncClient()\nasync def work():\n    async with make() as client:\n"
        "        await client.get('x')\n" + HANDLER
    ),
    "a Runner that is made on first use": (
        "import asyncio, httpx\nclient = httpx.AsyncClient()\nrunner = None\ndef handler(event, context):\n"
        "    global runner\n    if runner is None:\n        runner = asyncio.Runner()\n    return runner.run(main())\n"
    ),
    "a loop that an instance keeps": (
        "import asyncio, httpx\nclient = httpx.AsyncClient()\nclass Loop:\n    def __init__(self):\n"
        "        self.loop = asyncio.new_event_loop()\nkept = Loop()\ndef handler(event, context):\n"
        "    return kept.loop.run_until_complete(client.get('x'))\n"
    ),
    "a client per call": (
        "import httpx\nasync def work():\n    async with httpx.AsyncClient() as client:\n"
        "        await client.get('x')\n" + HANDLER
    ),
    "a client that keeps no connection": (
        "import httpx\nclient = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0))\n"
        + HANDLER
    ),
    "what an exit stack keeps within one call": (
        "from contextlib import AsyncExitStack\nimport asyncpg\nasync def work(session):\n"
        "    async with AsyncExitStack() as stack:\n"
        "        s3 = await stack.enter_async_context(session.create_client('s3'))\n"
        "        one = await asyncpg.connect()\n" + HANDLER
    ),
    "a synchronous client": "import httpx, redis\nclient = httpx.Client()\nr = redis.Redis()\n" + HANDLER,
    "one loop for the life of the process": (
        "import asyncio, httpx\nclient = httpx.AsyncClient()\nlock = asyncio.Lock()\nrunner = asyncio.Runner()\n"
        "def handler(event, context):\n    return runner.run(client.get('x'))\n"
    ),
    "the thread's own loop": (
        "import asyncio, httpx\nclient = httpx.AsyncClient()\ndef handler(event, context):\n"
        "    return asyncio.get_event_loop().run_until_complete(client.get('x'))\n"
    ),
    "NullPool": (
        ENGINE
        + "from sqlalchemy.pool import NullPool\nengine = create_async_engine('x', poolclass=NullPool)\n"
        + HANDLER
    ),
    "NullPool by way of options": (
        ENGINE + "from sqlalchemy.pool import NullPool\nOPTIONS = {'poolclass': NullPool}\n"
        "engine = create_async_engine('x', **OPTIONS)\n" + HANDLER
    ),
    "dispose in a finally": (
        ENGINE
        + "engine = create_async_engine('x')\nasync def work():\n    try:\n        await engine.connect()\n"
        "    finally:\n        await engine.dispose()\n" + HANDLER
    ),
    "dispose on an exit stack": (
        ENGINE + "engine = create_async_engine('x')\nasync def work(stack):\n    await stack.enter()\n"
        "    stack.push_async_callback(engine.dispose)\n" + HANDLER
    ),
    "Mangum and a thread with a loop of its own": (
        "import asyncio, threading\nfrom mangum import Mangum\nfrom web import app\nserve = Mangum(app)\nasync def work(): ...\n"
        "def run():\n    def inner():\n        asyncio.run(work())\n    thread = threading.Thread(target=inner)\n"
        "    thread.start()\n    thread.join()\n"
        "def handler(event, context):\n    run()\n    return serve(event, context)\n"
    ),
    "Mangum alone": (
        "import httpx\nfrom mangum import Mangum\nfrom web import app\nclient = httpx.AsyncClient()\n"
        "handler = Mangum(app)\n"
    ),
    "Mangum and a worker as two handlers": (
        "import mangum\nfrom web import app\nhandler = mangum.Mangum(app)\n"
        + HANDLER.replace("handler", "worker")
    ),
    "a lock that one task uses": (
        "import asyncio\nlock = asyncio.Lock()\nasync def one(): ...\nasync def main(event):\n    async with lock:\n"
        "        await asyncio.gather(one(), one())\n" + RUN
    ),
    "Mangum beside a program": (
        "import asyncio\nfrom mangum import Mangum\nfrom web import app\nhandler = Mangum(app)\n"
        "if __name__ == '__main__':\n    asyncio.run(print())\n"
    ),
    "a program that runs once": (
        "import asyncio, httpx\nclient = httpx.AsyncClient()\ndef main():\n    asyncio.run(client.get('x'))\n"
        "if __name__ == '__main__':\n    main()\n"
    ),
    "a namesake": (
        "from mine import create_pool_table, Lock\nlock = Lock()\ntable = create_pool_table()\n" + HANDLER
    ),
}


nothing_installed = {}.get


def find_in(folder: Path, source: str, **options):
    (folder / "app.py").write_text(source)
    analysis = analyze(folder, version=options.pop("version", nothing_installed), **options)
    return [(one.rule, one.line) for one in analysis.findings]


@pytest.mark.parametrize("name", FOUND)
def test_a_fault_is_found_at_its_line(tmp_path, name):
    source, expected = FOUND[name]
    assert sorted(find_in(tmp_path, source)) == sorted(expected)


@pytest.mark.parametrize("terms", [600, 20_000])
def test_deeply_nested_source_is_reported_as_unreadable(tmp_path, terms):
    (tmp_path / "app.py").write_text(f"x = {'+'.join(['1'] * terms)}\n")
    (finding,) = analyze(tmp_path).findings
    assert (finding.rule, finding.breaks) == ("unreadable", False)


@pytest.mark.parametrize("name", SOUND)
def test_sound_source_has_no_findings(tmp_path, name):
    assert find_in(tmp_path, SOUND[name]) == []


@pytest.mark.parametrize("text", ['f"{"a"}"', 'f"{"\\n".join(x)}"', 'f"{join({\n1})}"'])
def test_an_f_string_of_python_3_12_is_no_finding(tmp_path, text):
    assert find_in(tmp_path, f"x = {text}\n") == []


MANGUM = "from mangum import Mangum\nfrom web import app\nhandler = Mangum(app)\n"
CLIENT = "import httpx\nclient = httpx.AsyncClient()\n"
SHARED_CLIENT = "from langchain_openai import ChatOpenAI\ndef ask():\n    return ChatOpenAI().ainvoke('x')\napp.get('/')(ask)\n"
BATCH = (
    "from aws_lambda_powertools.utilities.batch import (\n    AsyncBatchProcessor as Processor,\n)\n"
    "def handler(event, context): ...\n"
)
SYNC_BATCH = (
    "from aws_lambda_powertools.utilities.batch import BatchProcessor\ndef handler(event, context): ...\n"
)


@pytest.mark.parametrize(
    ("source", "installed", "expected"),
    [
        (MANGUM, {"mangum": "0.19.0"}, []),
        (MANGUM, {"mangum": "0.20.0"}, []),
        (MANGUM + CLIENT, {"mangum": "0.20.0"}, [("mangum-ends-its-loop", 3)]),
        (MANGUM + SHARED_CLIENT, {"mangum": "0.20.0"}, [("mangum-ends-its-loop", 3)]),
        (MANGUM + CLIENT, {"mangum": "0.21.0"}, []),
        (MANGUM, {"mangum": "0.21.0"}, []),
        (HANDLER, {"mangum": "0.20.0"}, []),
        (
            MANGUM + "import asyncio\nasyncio.run(print())\n",
            {"mangum": "0.20.0"},
            [],
        ),
        (
            MANGUM + "import asyncio\nasyncio.run(print())\n",
            {"mangum": "0.22.0"},
            [("loop-beside-mangum", 5)],
        ),
        (BATCH, {"aws-lambda-powertools": "3.22.0"}, []),
        (BATCH, {"aws-lambda-powertools": "3.22.1"}, [("powertools-loop-per-batch", 1)]),
        (BATCH, {"aws-lambda-powertools": "3.23.0"}, [("powertools-loop-per-batch", 1)]),
        (BATCH, {"aws-lambda-powertools": "3.24.0"}, []),
        (SYNC_BATCH, {"aws-lambda-powertools": "3.23.0"}, []),
    ],
)
def test_library_versions_that_end_loops_are_found(tmp_path, source, installed, expected):
    assert find_in(tmp_path, source, version=installed.get) == expected


def write(folder: Path, files: dict[str, str]) -> None:
    for name, source in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)


def test_only_the_modules_that_a_handler_imports_are_analyzed(tmp_path):
    write(
        tmp_path,
        {
            "src/shop/__init__.py": "",
            "src/shop/clients.py": "import httpx\nclient = httpx.AsyncClient()\n",
            "src/shop/orders.py": "from .clients import client\n" + HANDLER,
            "src/shop/reports.py": HANDLER,
            "tests/test_orders.py": "import shop.clients\n" + HANDLER,
        },
    )
    orders = analyze(tmp_path, "shop.orders:handler", nothing_installed)
    assert [one.place for one in orders.findings] == ["src/shop/clients.py:2"]
    assert "src/shop/orders.py:6" in orders.findings[0].cause
    assert orders.files == ["src/shop/__init__.py", "src/shop/clients.py", "src/shop/orders.py"]
    assert analyze(tmp_path, "shop/reports.handler", nothing_installed).findings == []
    everything = analyze(tmp_path, None, nothing_installed)
    assert [one.place for one in everything.findings] == ["src/shop/clients.py:2"]
    assert "tests/test_orders.py" not in everything.files


def test_only_a_loop_that_the_import_or_a_request_reaches_is_beside_mangum(tmp_path):
    at_import = "import asyncio\nasyncio.run(print())\n"
    write(
        tmp_path, {"pages.py": "import early, worker\n" + MANGUM, "worker.py": HANDLER, "early.py": at_import}
    )
    breaks = {one.file: one.breaks for one in analyze(tmp_path, None, nothing_installed).findings}
    assert breaks == {"early.py": True}


def test_virtual_environments_and_hidden_folders_are_skipped(tmp_path):
    bad = FOUND["a client at module level"][0]
    write(
        tmp_path,
        {"env/pyvenv.cfg": "", "env/lib/app.py": bad, ".tox/app.py": bad, "node_modules/app.py": bad},
    )
    assert analyze(tmp_path, None, nothing_installed).files == []


def test_a_missing_handler_module_raises(tmp_path):
    with pytest.raises(HandlerNotFoundError, match="no module 'app'"):
        analyze(tmp_path, "app:handler")


def test_the_analysis_runs_no_code(tmp_path):
    (tmp_path / "app.py").write_text("raise SystemExit('it was run')\n" + HANDLER)
    assert analyze(tmp_path, "app:handler").files == ["app.py"]


def test_versions_are_looked_up_where_the_handler_finds_them(tmp_path):
    (tmp_path / "app.py").write_text(MANGUM + CLIENT)
    write(
        tmp_path,
        {"mangum-0.20.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: mangum\nVersion: 0.20.0\n"},
    )
    assert [one.rule for one in analyze(tmp_path).findings] == ["mangum-ends-its-loop"]


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("app/requirements.txt", "httpx\nmangum==0.20.0 ; python_version > '3'\n", True),
        ("requirements.lock", "Mangum[full] == 0.20.0\n", True),
        ("uv.lock", '[[package]]\nname = "mangum"\nversion = "0.20.0"\n', True),
        ("Pipfile.lock", '{"default": {"mangum": {"hashes": [], "version": "==0.20.0"}}}', True),
        ("requirements.txt", "mangum>=0.20.0\n", False),
        ("other/requirements.txt", "mangum==0.20.0\n", False),
    ],
)
def test_a_file_that_pins_the_version_counts(write, file, text, found):
    folder = write({"app/main.py": MANGUM + CLIENT, file: text})
    assert bool(analyze(folder, "app/main.handler").findings) is found


def test_the_nearest_file_wins(write):
    files = {"app/main.py": MANGUM + CLIENT, "requirements.txt": "mangum==0.20.0\n"}
    folder = write({**files, "app/requirements.txt": "mangum==0.19.0\n"})
    assert analyze(folder, "app/main.handler").findings == []
