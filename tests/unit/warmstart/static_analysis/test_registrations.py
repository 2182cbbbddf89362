"""Handlers and routes that each invocation adds to an object that outlives it."""

import pytest

from ticketctl.warmstart.static_analysis.analyzer import analyze

RULE = "registered-each-invocation"
BOT = "import asyncio\nfrom telegram.ext import Application\nbot = Application.builder().token('t').build()\n"
LOOP = "def handler(event, context):\n    return asyncio.get_event_loop().run_until_complete(main(event))\n"
ADD = "def add():\n    bot.add_handler(1)\n    bot.add_handler(2)\n"
API = (
    "from contextlib import asynccontextmanager\nfrom fastapi import FastAPI\nfrom mangum import Mangum\n"
    "import shop\n@asynccontextmanager\nasync def run(app):\n    app.include_router(shop.router, prefix='/shop')\n    yield\n"
    "app = FastAPI(lifespan=run)\n@app.get('/')\nasync def page():\n    return {}\n"
)
LOGGING = "import logging\nlogger = logging.getLogger()\n"
HOLDER = (
    "import asyncio\nfrom telegram.ext import Application\nclass Service:\n    def __init__(self):\n"
    "        self.bot = Application.builder().build()\n    def add(self):\n        self.bot.add_handler(1)\n"
)
LAZY = (
    "import asyncio\nfrom telegram.ext import Application\nbot = None\ndef get():\n    global bot\n"
    "    if bot is None:\n        bot = build()\n    return bot\n"
)

FAULTS = {
    "a function that the coroutine calls": (
        {"app.py": BOT + ADD + "async def main(event):\n    add()\n" + LOOP},
        "app.py:5",
    ),
    "an object of another module": (
        {
            "app.py": "import asyncio\nfrom bots import bot\n"
            + ADD
            + "async def main(event):\n    add()\n"
            + LOOP,
            "bots.py": BOT,
        },
        "app.py:4",
    ),
    "an argument": (
        {
            "app.py": BOT + "import more\nasync def main(event):\n    more.add(bot)\n" + LOOP,
            "more.py": "def add(one):\n    one.add_handler(1)\n",
        },
        "more.py:2",
    ),
    "a condition on the event": (
        {"app.py": BOT + ADD + "async def main(event):\n    if event.get('body'):\n        add()\n" + LOOP},
        "app.py:5",
    ),
    "only if the object exists": (
        {
            "app.py": BOT + "async def main(event):\n    if not bot:\n        return {'statusCode': 500}\n"
            "    bot.add_handler(1)\n" + LOOP
        },
        "app.py:7",
    ),
    "a variable for what a function returns": (
        {
            "app.py": LAZY + "def build():\n    return Application.builder().build()\n"
            "async def main(event):\n    one = get()\n    one.add_handler(1)\n" + LOOP
        },
        "app.py:13",
    ),
    "the attribute of an object that is kept": (
        {"app.py": HOLDER + "service = Service()\nasync def main(event):\n    service.add()\n" + LOOP},
        "app.py:7",
    ),
    "routers of a lifespan that Mangum runs": (
        {"app.py": API + "handler = Mangum(app)\n", "shop.py": ""},
        "app.py:7",
    ),
    "routers of a start that Mangum runs": (
        {
            "app.py": "from fastapi import FastAPI\nfrom mangum import Mangum\nimport shop\napp = FastAPI()\n"
            "@app.on_event('startup')\nasync def start():\n    for one in shop.routers:\n        app.include_router(one)\n"
            "handler = Mangum(app, lifespan='on')\n"
        },
        "app.py:8",
    ),
    "a logger in a variable": (
        {
            "app.py": "import logging\ndef handler(event, context):\n    logger = logging.getLogger(__name__)\n"
            "    logger.addHandler(logging.StreamHandler())\n"
        },
        "app.py:4",
    ),
    "a logger without a name": (
        {
            "app.py": "import logging\ndef handler(event, context):\n    logging.getLogger().addHandler(logging.StreamHandler())\n"
        },
        "app.py:3",
    ),
    "an observer of aiogram": (
        {
            "app.py": "import asyncio\nfrom aiogram import Dispatcher\ndp = Dispatcher()\nasync def main(event):\n"
            "    dp.message.register(print)\n" + LOOP
        },
        "app.py:5",
    ),
    "a decorator inside of a function": (
        {
            "app.py": "from telebot import TeleBot\nbot = TeleBot('t')\ndef handler(event, context):\n"
            "    @bot.message_handler(commands=['start'])\n    def start(message):\n        pass\n"
        },
        "app.py:4",
    ),
    "a function at the end of the process": (
        {"app.py": "import atexit\ndef handler(event, context):\n    atexit.register(print)\n"},
        "app.py:3",
    ),
}
SOUND = {
    "only the first time, which a global says": BOT
    + "is_first = True\nasync def main(event):\n    global is_first\n    if not is_first:\n        return\n"
    "    is_first = False\n    bot.add_handler(1)\n" + LOOP,
    "the lifespan that Mangum never runs": API + "handler = Mangum(app, lifespan='off')\n",
    "an application for each invocation": API.replace("\napp = FastAPI(lifespan=run)\n@app.get('/')\n", "\n")
    + "def handler(event, context):\n    return Mangum(FastAPI(lifespan=run))(event, context)\n",
    "a function that makes the application": (
        "from fastapi import FastAPI\nfrom mangum import Mangum\nimport shop\ndef create():\n    app = FastAPI()\n"
        "    app.include_router(shop.router)\n    return app\nhandler = Mangum(create())\n"
    ),
    "a condition on the object in the caller": LAZY
    + "def build():\n    one = Application.builder().build()\n    one.add_handler(1)\n    return one\n"
    "async def main(event):\n    await get().process_update(event)\n" + LOOP,
    "a condition on the logger in the caller": LOGGING
    + "def setup():\n    logger.addHandler(logging.StreamHandler())\ndef handler(event, context):\n"
    "    if not logger.handlers:\n        setup()\n",
    "a return before it": LOGGING
    + "done = False\ndef setup():\n    global done\n    if done:\n        return\n    done = True\n"
    "    logger.addHandler(logging.StreamHandler())\ndef handler(event, context):\n    setup()\n",
    "a cached function": LOGGING
    + "import functools\n@functools.cache\ndef setup():\n    logger.addHandler(logging.StreamHandler())\n"
    "def handler(event, context):\n    setup()\n",
    "the constructor of an object that is kept": HOLDER.replace("def add(self):\n        ", "    ").replace(
        "            ", "        "
    )
    + "service = Service()\nasync def main(event):\n    await service.bot.process_update(event)\n"
    + LOOP,
    "a handler that is removed": LOGGING
    + "def handler(event, context):\n    one = logging.StreamHandler()\n    logger.addHandler(one)\n    try:\n"
    "        return 1\n    finally:\n        logger.removeHandler(one)\n",
    "a global that each invocation makes anew": (
        "import asyncio\nfrom telegram.ext import Application\nbot = None\nasync def main(event):\n    global bot\n"
        "    bot = Application.builder().build()\n    async with bot:\n        bot.add_handler(1)\n" + LOOP
    ),
    "an object that each invocation makes": HOLDER
    + "async def main(event):\n    service = Service()\n    service.add()\n    async with service.bot: ...\n"
    + LOOP,
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_registration_in_each_invocation_is_found(check, name):
    files, place = FAULTS[name]
    assert check(files) == [(place, RULE)]


@pytest.mark.parametrize("name", SOUND)
def test_a_registration_that_does_not_accumulate_is_sound(check, name):
    assert check({"app.py": SOUND[name]}) == []


def test_an_object_has_one_finding_that_counts_its_handlers(write):
    files = {
        "app.py": BOT
        + "import more\n"
        + ADD
        + "async def main(event):\n    add()\n    more.add(bot)\n"
        + LOOP,
        "more.py": "def add(one):\n    one.add_handler(1)\n",
    }
    (finding,) = analyze(write(files), version=lambda _: None).findings
    assert finding.place == "app.py:6"
    assert finding.cause.endswith("the object keeps 3 more handlers each time, more.py included.")


def test_a_method_that_another_class_has_too_is_not_taken_for_a_call(check):
    server = (
        "import logging\nserver = None\nclass Server:\n    def run(self):\n"
        "        logging.getLogger('web').addFilter(print)\ndef begin():\n    global server\n    if server is None:\n"
        "        server = Server()\n        server.run()\n"
    )
    app = (
        "from search import find\nfrom web import begin\n"
        "def handler(event, context):\n    begin()\n    return find(event)\n"
    )
    search = "class Analysis:\n    def run(self): ...\ndef find(event):\n    return Analysis().run()\n"
    assert check({"app.py": app, "web.py": server, "search.py": search}) == []
