"""Which code runs on an event loop that ends, and what it keeps, shares and leaves running."""

import pytest

RUN = "def handler(event, context):\n    return asyncio.run(main(event))\n"
KEPT_LOOP = (
    "def handler(event, context):\n    return asyncio.get_event_loop().run_until_complete(main(event))\n"
)
SETTER = "client = None\ndef set_client(one):\n    global client\n    client = one\ndef get():\n    return client\n"
ONCE = (
    "import asyncio, httpx, web\nready = False\ndef prepare():\n    global ready\n    if ready:\n        return\n"
    "    one = httpx.AsyncClient()\n    web.set_client(one)\n    ready = True\n"
    "async def main(event):\n    await web.get().get('x')\n"
    "def handler(event, context):\n    prepare()\n    asyncio.run(main(event))\n"
)
BOT = "import asyncio\nfrom telegram.ext import Application\nbot = Application.builder().token('t').build()\n"
ROUTES = (
    "import asyncio, redis.asyncio\nfrom mangum import Mangum\nfrom fastapi import FastAPI\napp = FastAPI()\n"
    "kept = redis.asyncio.Redis()\n@app.get('/')\nasync def page():\n    await kept.get('x')\nhttp = Mangum(app)\n"
)
PRISMA = "import asyncio\nfrom prisma import Prisma\ndb = Prisma()\n"
AGENT = (
    "import asyncio\nfrom agents import Agent, Runner\n"
    "from agents.extensions.models.litellm_model import LitellmModel\n"
    "async def main(event):\n    model = LitellmModel(model='bedrock/m')\n"
)
TYPING = (
    "import asyncio\nasync def typing():\n    while True:\n        try:\n            await asyncio.sleep(5)\n"
    "        except asyncio.CancelledError:\n            break\n"
)
TELETHON = "import asyncio\nfrom telethon import TelegramClient\nasync def main(event):\n    client = TelegramClient()\n"

FAULTS = {
    "a Prisma client that is connected once": (
        {
            "app.py": PRISMA
            + "async def main(event):\n    if not db.is_connected():\n        await db.connect()\n    await db.user.count()\n"
            + RUN
        },
        [("app.py:3", "client-outlives-loop")],
    ),
    "a class that another package publishes": (
        {
            "app.py": "import asyncio\nfrom shop import Service\n"
            "async def main(event):\n    await Service.work(event)\n" + RUN,
            "shop/__init__.py": "from shop.service import Service\n",
            "shop/service.py": "import httpx\nclient = httpx.AsyncClient()\nclass Service:\n    @staticmethod\n"
            "    async def work(event):\n        await client.get('x')\n",
        },
        [("shop/service.py:2", "client-outlives-loop")],
    ),
    "a setter of another module keeps the client": (
        {"app.py": ONCE, "web.py": SETTER},
        [("app.py:7", "client-outlives-loop")],
    ),
    "a library that is called like a module beside the file": (
        {
            "shop/app.py": "import asyncio\nimport redis.asyncio as cache\nr = cache.from_url('x')\n"
            "async def main(event):\n    await r.get('x')\n" + RUN,
            "shop/redis.py": "",
        },
        [("shop/app.py:3", "client-outlives-loop")],
    ),
    "a bot that is initialized and not shut down": (
        {
            "app.py": BOT
            + "async def main(event):\n    await bot.initialize()\n    await bot.process_update(event)\n"
            + RUN
        },
        [("app.py:3", "client-outlives-loop")],
    ),
    "an object of another module": (
        {
            "app.py": "import asyncio\nfrom shop import service\ndef handler(event, context):\n"
            "    asyncio.run(service.work(event))\n",
            "shop.py": "import httpx\nclass Service:\n    def __init__(self):\n        self.web = httpx.AsyncClient()\n"
            "    async def work(self, event):\n        await self.web.get('x')\nservice = Service()\n",
        },
        [("shop.py:4", "client-outlives-loop")],
    ),
    "a module in a table of modules": (
        {
            "app.py": "import asyncio\nimport steps\nTABLE = {'a': steps}\nasync def main(event):\n"
            "    await TABLE[event].STEPS['b']().execute()\n" + RUN,
            "steps.py": "from agents import Runner\nclass Step:\n    async def execute(self):\n"
            "        await Runner.run(agent, 'x')\nSTEPS = {'b': Step}\n",
        },
        [("steps.py:4", "library-client-outlives-loop")],
    ),
    "a helper that runs any coroutine": (
        {
            "app.py": "import asyncio, httpx\nclient = httpx.AsyncClient()\ndef run(coroutine):\n"
            "    return asyncio.run(coroutine)\nasync def main(event):\n    await client.get('x')\n"
            "def handler(event, context):\n    return run(main(event))\n"
        },
        [("app.py:2", "client-outlives-loop")],
    ),
    "a coroutine that synchronous code makes for a helper": (
        {
            "app.py": "import asyncio\nfrom agents import Runner\nclass Support:\n    def answer(self, text):\n"
            "        return self._run(Runner.run(agent, text))\n    @staticmethod\n    def _run(coroutine):\n"
            "        loop = asyncio.new_event_loop()\n        try:\n            return loop.run_until_complete(coroutine)\n"
            "        finally:\n            loop.close()\n"
            "def handler(event, context):\n    return Support().answer('x')\n"
        },
        [("app.py:5", "library-client-outlives-loop")],
    ),
    "a decorator that runs what it decorates": (
        {
            "app.py": "import asyncio, httpx\nclient = httpx.AsyncClient()\ndef synchronous(function):\n"
            "    def inner(*values):\n        return asyncio.run(function(*values))\n    return inner\n"
            "@synchronous\nasync def main(event):\n    await client.get('x')\n"
            "def handler(event, context):\n    return main(event)\n"
        },
        [("app.py:2", "client-outlives-loop")],
    ),
    "a method of a class with another name": (
        {
            "app.py": "import asyncio\nclass Cache:\n    def warm(self): ...\nclass Engine:\n    def warm(self):\n"
            "        asyncio.create_task(audit())\nasync def main(event):\n    for one in (Engine(), Cache()):\n"
            "        one.warm()\n" + RUN
        },
        [("app.py:6", "lost-task")],
    ),
    "one agent has a model of its own and another none": (
        {"app.py": AGENT + "    Agent(model=model)\n    await Runner.run(Agent(model='gpt'), 'x')\n" + RUN},
        [("app.py:7", "library-client-outlives-loop")],
    ),
    "a task that only success cancels": (
        {
            "app.py": TYPING + "async def main(event):\n    task = asyncio.create_task(typing())\n"
            "    await work(event)\n    task.cancel()\n" + KEPT_LOOP
        },
        [("app.py:9", "endless-task")],
    ),
    "a client that is started and not stopped": (
        {
            "app.py": TELETHON
            + "    await client.start()\n    await client.send_message(1, 'x')\n"
            + KEPT_LOOP
        },
        [("app.py:4", "client-never-closed")],
    ),
    "an application that the handler calls": (
        {
            "app.py": "import asyncio, httpx\nfrom fastapi import FastAPI\napp = FastAPI()\n@app.post('/')\n"
            "async def page():\n    await httpx.AsyncClient().get('x')\nasync def main(event):\n    await app(event)\n"
            + KEPT_LOOP
        },
        [("app.py:6", "client-never-closed")],
    ),
    "a client that a library's factory makes": (
        {
            "app.py": "import asyncio\nfrom db import connect\nasync def main(event):\n    one = await connect()\n"
            "    await one.table('x').execute()\n" + RUN,
            "db.py": "from supabase import acreate_client\nasync def connect():\n    return await acreate_client('x', 'y')\n",
        },
        [("db.py:3", "client-never-closed")],
    ),
}

SOUND = {
    "a Prisma client that is connected and disconnected each time": (
        PRISMA + "async def main(event):\n    await db.connect()\n    try:\n        await db.user.count()\n"
        "    finally:\n        await db.disconnect()\n" + RUN
    ),
    "a model that the loop does not use asynchronously": (
        "import asyncio\nfrom langchain_openai import ChatOpenAI\nfrom langsmith import traceable\n"
        "async def main(event):\n    return ChatOpenAI().invoke('x')\n"
        "@traceable(name='other')\nasync def other(model):\n    await model.ainvoke('x')\n" + RUN
    ),
    "a background task of a request, which runs on Mangum's loop": (
        "import asyncio\nfrom mangum import Mangum\nfrom fastapi import FastAPI\napp = FastAPI()\n"
        "lock = asyncio.Lock()\nasync def load():\n    await asyncio.sleep(1)\nasync def use():\n    async with lock:\n"
        "        pass\nasync def both():\n    await asyncio.gather(use(), use())\ndef refresh(pool):\n"
        "    pool.submit(asyncio.run, load())\n"
        "@app.get('/')\nasync def page(tasks):\n    tasks.add_task(both)\n    refresh(app.pool)\n"
        "handler = Mangum(app)\n"
    ),
    "a second loop where the kept one is busy": (
        "import asyncio, httpx\nkept = None\nclient = httpx.AsyncClient()\ndef get_loop():\n    global kept\n"
        "    if kept is None:\n        kept = asyncio.new_event_loop()\n    return kept\n"
        "def run(work):\n    loop = get_loop()\n    if loop.is_running():\n        other = asyncio.new_event_loop()\n"
        "        try:\n            return other.run_until_complete(work)\n        finally:\n            other.close()\n"
        "    return loop.run_until_complete(work)\n"
        "def handler(event, context):\n    return run(client.get('x'))\n"
    ),
    "a coroutine in a lambda, which does not use the lock": (
        "import asyncio\nfrom mangum import Mangum\nfrom fastapi import FastAPI\napp = FastAPI()\n"
        "lock = asyncio.Lock()\nasync def load():\n    await asyncio.sleep(1)\nasync def use():\n    async with lock:\n"
        "        pass\ndef refresh(pool):\n    pool.submit(lambda: asyncio.run(load()))\n"
        "@app.get('/')\nasync def page():\n    await asyncio.gather(use(), use())\n    refresh(app.pool)\n"
        "handler = Mangum(app)\n"
    ),
    "a bot that each run initializes and shuts down": BOT
    + "async def main(event):\n    await bot.initialize()\n    await bot.process_update(event)\n    await bot.shutdown()\n"
    + RUN,
    "a client of the routes that Mangum runs on its own loop": ROUTES
    + "async def main(event): ...\ndef worker(event, context):\n    return asyncio.run(main(event))\n",
    "a task that no handler starts": (
        "import asyncio\nasync def warm():\n    asyncio.create_task(audit())\nasync def main(event): ...\n"
        + RUN
    ),
    "a method that an object of another class has too": (
        "import asyncio\nclass Cache:\n    def warm(self): ...\nclass Engine:\n    def warm(self):\n"
        "        asyncio.create_task(audit())\nasync def main(event):\n    Engine()\n    price_cache = Cache()\n"
        "    price_cache.warm()\n" + RUN
    ),
    "agents with models of their own": AGENT + "    await Runner.run(Agent(model=model), 'x')\n" + RUN,
    "a task that a finally block cancels": (
        TYPING
        + "async def main(event):\n    task = asyncio.create_task(typing())\n    try:\n        await work(event)\n"
        "    finally:\n        task.cancel()\n" + KEPT_LOOP
    ),
    "a task that ends with its loop": (
        TYPING + "async def main(event):\n    task = asyncio.create_task(typing())\n    await work(event)\n"
        "    task.cancel()\n" + RUN
    ),
    "a client that is stopped": TELETHON
    + "    await client.start()\n    try:\n        await client.get_me()\n    finally:\n        await client.disconnect()\n"
    + KEPT_LOOP,
    "an application that the handler does not serve": (
        "import asyncio, httpx\nfrom fastapi import FastAPI\napp = FastAPI()\n@app.post('/')\nasync def page():\n"
        "    await httpx.AsyncClient().get('x')\nasync def main(event): ...\n" + KEPT_LOOP
    ),
    "a bot of a release that was synchronous": (
        "from telegram import Bot\ndef handler(event, context):\n    bot = Bot('t')\n    bot.send_message(1, 'x')\n"
    ),
    "a client that is never started": TELETHON + KEPT_LOOP,
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(check, name):
    files, expected = FAULTS[name]
    assert check(files) == expected


@pytest.mark.parametrize("name", SOUND)
def test_sound_code_has_no_findings(check, name):
    assert check({"app.py": SOUND[name]}) == []


def test_a_registration_is_found_once_for_each_function(check):
    source = BOT + "async def main(event):\n    bot.add_handler(1)\n    bot.add_handler(2)\n" + KEPT_LOOP
    assert check({"app.py": source}) == [("app.py:5", "registered-each-invocation")]


SEARCH = (
    "import asyncio, importlib, pkgutil\ndef load(name):\n    package = importlib.import_module(name)\n"
    "    for one in pkgutil.iter_modules(package.__path__):\n        importlib.import_module(f'{name}.{one.name}')\n"
    "load('routers')\ndef handler(event, context):\n    asyncio.run(main())\n"
)


def test_the_modules_of_a_package_that_a_file_searches_are_loaded(check):
    files = {
        "routers/__init__.py": "",
        "routers/orders.py": CLIENT,
        "others/__init__.py": "",
        "others/a.py": CLIENT,
    }
    assert check({"app.py": SEARCH, **files}) == [("routers/orders.py:2", "client-outlives-loop")]


CLIENT = "import httpx\nclient = httpx.AsyncClient()\n"
