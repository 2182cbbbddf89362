"""What each invocation adds and never removes: clients without an end, handlers without a condition."""

import pytest

RUN = "def handler(event, context):\n    return asyncio.run(main(event))\n"
HTTPX = "import asyncio, httpx\n"
BOT = "import asyncio\nfrom telegram.ext import Application, ApplicationBuilder, CommandHandler\n"
REDIS = (
    "import asyncio, redis.asyncio\nasync def connect():\n    client = redis.asyncio.from_url('x')\n"
    "    await client.ping()\n    return client\n"
)

HOLDER = (
    "import asyncio, httpx, mangum\nclass Web:\n    def __init__(self):\n        self.client = httpx.AsyncClient()\n"
    "    async def get(self):\n        return await self.client.get('x')\n"
)
PASSED = (
    "import asyncio, httpx\nclass Web:\n    def __init__(self, base, client):\n        self.client = client\n"
    "    async def get(self):\n        return await self.client.get('x')\n"
)

BROWSER = "import asyncio\nfrom playwright.async_api import async_playwright\n"

FAULTS = {
    "a driver is started and not stopped": (
        BROWSER
        + "async def main(event):\n    driver = await async_playwright().start()\n    await driver.chromium.launch()\n"
        + RUN,
        [("app.py:4", "client-never-closed")],
    ),
    "a driver is started once, on the loop of the first invocation": (
        BROWSER + "driver = None\nasync def main(event):\n    global driver\n    if driver is None:\n"
        "        driver = await async_playwright().start()\n    await driver.chromium.launch()\n" + RUN,
        [("app.py:7", "client-outlives-loop")],
    ),
    "a return comes before the finally block that closes the client": (
        REDIS
        + "async def main(event):\n    client = await connect()\n    if not event['Records']:\n        return {}\n"
        "    try:\n        await client.get('x')\n    finally:\n        await client.aclose()\n" + RUN,
        [("app.py:3", "client-never-closed")],
    ),
    "a client is used and forgotten": (
        HTTPX + "async def main(event):\n    client = httpx.AsyncClient()\n    await client.get('x')\n" + RUN,
        [("app.py:3", "client-never-closed")],
    ),
    "a client has no name": (
        HTTPX + "async def main(event):\n    return await httpx.AsyncClient().get('x')\n" + RUN,
        [("app.py:3", "client-never-closed")],
    ),
    "a bot's application is initialized and not shut down": (
        BOT + "def handler(event, context):\n"
        "    return asyncio.get_event_loop().run_until_complete(main(event))\n"
        "async def main(event):\n    application = ApplicationBuilder().token('t').build()\n"
        "    await application.initialize()\n    await application.process_update(event)\n",
        [("app.py:6", "client-never-closed")],
    ),
    "a bot that was not initialized is shut down": (
        "import asyncio\nfrom telegram import Bot\nasync def main(event):\n    bot = Bot('t')\n    try:\n"
        "        await bot.get_me()\n    finally:\n        await bot.shutdown()\n" + RUN,
        [("app.py:4", "client-never-closed")],
    ),
    "a function makes the application for each invocation": (
        BOT + "def setup():\n    application = Application.builder().token('t').build()\n"
        "    application.add_handlers([1])\n    with open('log') as file:\n        file.read()\n    return application\n"
        "def handler(event, context):\n    return asyncio.run(main(setup()))\n"
        "async def main(application):\n    await application.initialize()\n",
        [("app.py:4", "client-never-closed")],
    ),
    "an object that holds a client is used and forgotten": (
        HOLDER
        + "async def main(event):\n    web = Web()\n    await web.get()\n    with open('log') as file:\n"
        "        rows = file.read()\n        rows.close()\n" + RUN,
        [("app.py:4", "client-never-closed")],
    ),
    "a function makes an object that holds a client": (
        HOLDER + "def connect():\n    return Web()\nasync def main(event, rows):\n    rows.close()\n"
        "    await connect().get()\n" + RUN,
        [("app.py:4", "client-never-closed")],
    ),
    "a route depends on an object that holds a client": (
        HOLDER
        + "def connect():\n    return Web()\n@app.get('/')\nasync def main(rows, web=Depends(connect)):\n"
        "    rows.close()\n    await web.get()\nhandler = mangum.Mangum(app)\n",
        [("app.py:4", "client-never-closed")],
    ),
    "an object is passed a client and forgotten": (
        PASSED + "async def main(event, rows):\n    rows.close()\n    client = httpx.AsyncClient()\n"
        "    web = Web('x', client=client)\n    await web.get()\n" + RUN,
        [("app.py:9", "client-never-closed")],
    ),
    "a client of Inngest for each invocation": (
        "import asyncio, inngest\nasync def main(event):\n    await inngest.Inngest(app_id='a').send(event)\n"
        + RUN,
        [("app.py:3", "client-never-closed")],
    ),
    "a kept client of Inngest": (
        "import asyncio, inngest\nclient = inngest.Inngest(app_id='a')\nasync def main(event):\n"
        "    await client.send(event)\n" + RUN,
        [("app.py:2", "client-outlives-loop")],
    ),
    "handlers are added to the module's application": (
        BOT + "application = Application.builder().token('t').build()\n"
        "def add():\n    application.add_handler(CommandHandler('start', print))\n"
        "def handler(event, context):\n    return asyncio.get_event_loop().run_until_complete(main(event))\n"
        "async def main(event):\n    add()\n    await application.process_update(event)\n",
        [("app.py:5", "registered-each-invocation")],
    ),
    "a log handler is added": (
        (
            "import logging\nlogger = logging.getLogger()\ndef handler(event, context):\n"
            "    logger.addHandler(logging.StreamHandler())\n"
        ),
        [("app.py:4", "registered-each-invocation")],
    ),
    "a function of Vercel keeps a bot": (
        (
            "import asyncio\nfrom aiogram import Bot\nbot = Bot('t')\n"
            "def handler(request):\n    asyncio.run(bot.send_message(1, 'x'))\n"
        ),
        [("app.py:3", "client-outlives-loop")],
    ),
}
SOUND = {
    "a driver that is stopped": BROWSER
    + "async def main(event):\n    driver = await async_playwright().start()\n    try:\n"
    "        await driver.chromium.launch()\n    finally:\n        await driver.stop()\n" + RUN,
    "a driver in a with statement": BROWSER
    + "async def main(event):\n    async with async_playwright() as driver:\n        await driver.chromium.launch()\n"
    + RUN,
    "an object that holds a client is closed by its own method": (
        HOLDER + "    async def aclose(self):\n        await self.client.aclose()\n"
        "async def main(event):\n    web = Web()\n    await web.get()\n    await web.aclose()\n" + RUN
    ),
    "the client of an object is closed": (
        HOLDER
        + "async def main(event):\n    web = Web()\n    await web.get()\n    await web.client.aclose()\n"
        + RUN
    ),
    "an object passes its client on": (
        HOLDER
        + "    def list_open(self):\n        return [self.client]\nasync def main(event):\n    web = Web()\n"
        "    for one in web.list_open():\n        await one.aclose()\n" + RUN
    ),
    "an object that holds a client is put where other code may close it": (
        HOLDER
        + "async def main(event):\n    web = Web()\n    event.state.web = web\n    await finish(event)\n"
        "async def finish(event, one):\n    await one.aclose()\n" + RUN
    ),
    "an object that is passed a client leaves it to the caller": (
        PASSED
        + "async def main(event):\n    client = httpx.AsyncClient()\n    web = Web('x', client=client)\n"
        "    try:\n        await web.get()\n    finally:\n        await client.aclose()\n" + RUN
    ),
    "a class that returns the same object each time": (
        HOLDER.replace("class Web:", "class Web(metaclass=Single):")
        + "async def main(event, rows):\n    web = Web()\n    await web.get()\n    rows.close()\n"
        + RUN
    ),
    "a kept client of Inngest sends without a loop": (
        "import asyncio, inngest\nclient = inngest.Inngest(app_id='a')\nasync def main(event):\n"
        "    client.send_sync(event)\n" + RUN
    ),
    "a return without a client": (
        REDIS
        + "async def main(event):\n    client = await connect()\n    if client is None:\n        return {}\n"
        "    try:\n        await client.get('x')\n    finally:\n        await client.aclose()\n" + RUN
    ),
    "a return closes the client": (
        REDIS + "async def main(event):\n    client = await connect()\n    if not event['Records']:\n"
        "        await client.aclose()\n        return {}\n"
        "    try:\n        await client.get('x')\n    finally:\n        await client.aclose()\n" + RUN
    ),
    "a client is closed in a finally block": (
        HTTPX
        + "async def main(event):\n    client = httpx.AsyncClient()\n    try:\n        await client.get('x')\n"
        "    finally:\n        await client.aclose()\n" + RUN
    ),
    "a client is entered": (
        HTTPX + "async def main(event):\n    client = httpx.AsyncClient()\n    async with client:\n"
        "        await client.get('x')\n" + RUN
    ),
    "an exit stack closes it": (
        HTTPX
        + "async def main(event, stack):\n    client = await stack.enter_async_context(httpx.AsyncClient())\n"
        "    await client.get('x')\n" + RUN
    ),
    "a function that gets it closes it": (
        HTTPX + "async def use(one):\n    await one.get('x')\n    await one.aclose()\n"
        "async def main(event):\n    await use(httpx.AsyncClient())\n" + RUN
    ),
    "a bot is initialized and shut down": (
        "import asyncio\nfrom telegram import Bot\nasync def main(event):\n    bot = Bot('t')\n"
        "    await bot.initialize()\n    try:\n        await bot.get_me()\n    finally:\n        await bot.shutdown()\n"
        + RUN
    ),
    "a bot is entered": (
        "import asyncio\nfrom telegram import Bot\nasync def main(event):\n    bot = Bot('t')\n    async with bot:\n"
        "        await bot.get_me()\n" + RUN
    ),
    "the application is shut down": (
        BOT + "async def main(event):\n    application = ApplicationBuilder().token('t').build()\n"
        "    async with application:\n        await application.process_update(event)\n" + RUN
    ),
    "aiohttp closes its sockets with the last reference": (
        "import asyncio, aiohttp\nasync def main(event):\n    session = aiohttp.ClientSession()\n"
        "    await session.get('x')\n" + RUN
    ),
    "handlers are added once": (
        "import logging\nlogger = logging.getLogger()\ndef setup():\n    logger.addHandler(logging.StreamHandler())\n"
        "setup()\ndef handler(event, context):\n    return 1\n"
    ),
    "a condition guards it": (
        "import logging\nlogger = logging.getLogger()\ndef handler(event, context):\n    if not logger.handlers:\n"
        "        logger.addHandler(logging.StreamHandler())\n"
    ),
    "Yandex Cloud awaits a coroutine": '"""For Yandex.Cloud."""\nasync def handler(event, context):\n    return 1\n',
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(check, name):
    source, expected = FAULTS[name]
    assert check({"app.py": source}) == expected


@pytest.mark.parametrize("name", SOUND)
def test_sound_code_has_no_findings(check, name):
    assert check({"app.py": SOUND[name]}) == []


def test_a_library_with_the_name_of_the_folder_around_the_file_is_the_library(check):
    files = {
        "main.py": "from shop.telegram.bot import run\n" + RUN.replace("main(event)", "run()"),
        "shop/telegram/bot.py": "import asyncio\nfrom telegram import Bot\nbot = Bot('t')\n"
        "async def run():\n    await bot.get_me()\n",
    }
    files["main.py"] = "import asyncio\n" + files["main.py"]
    assert check(files) == [("shop/telegram/bot.py:3", "client-outlives-loop")]
