"""Tasks that no code waits for, on loops that end or stop with the invocation."""

import pytest

API = (
    "import asyncio\nfrom fastapi import FastAPI, WebSocket\nfrom mangum import Mangum\napp = FastAPI()\n"
    "async def write(event):\n    await asyncio.sleep(1)\n"
)
HANDLER = "handler = Mangum(app)\n"
ROUTE = API + "@app.post('/')\nasync def order(event: dict):\n"
ENDLESS = "async def refresh():\n    while True:\n        await asyncio.sleep(9)\n"
RUN = "import asyncio\nasync def write(event):\n    await asyncio.sleep(1)\nasync def main(event):\n"
RUN_END = "def handler(event, context):\n    return asyncio.run(main(event))\n"

LOST = {
    "a task that is dropped": ROUTE + "    asyncio.create_task(write(event))\n    return {}\n" + HANDLER,
    "a task of the running loop": ROUTE
    + "    loop = asyncio.get_running_loop()\n    loop.create_task(write(event))\n"
    + HANDLER,
    "a task in a variable that nothing reads": ROUTE
    + "    task = asyncio.create_task(write(event))\n    return {}\n"
    + HANDLER,
    "a task in a set that only keeps it": "tasks = set()\n"
    + ROUTE
    + "    task = asyncio.create_task(write(event))\n    tasks.add(task)\n"
    "    task.add_done_callback(tasks.discard)\n    return {}\n" + HANDLER,
    "a task in a function that the route calls": API
    + "def notify(event):\n    asyncio.ensure_future(write(event))\n"
    "@app.get('/')\nasync def page(event: dict):\n    notify(event)\n" + HANDLER,
    "a task that each start of the application adds": API
    + ENDLESS
    + "@app.on_event('startup')\nasync def start():\n    asyncio.create_task(refresh())\n"
    + HANDLER,
    "a task on a loop that the handler keeps": RUN + "    asyncio.create_task(write(event))\n"
    "def handler(event, context):\n    return asyncio.get_event_loop().run_until_complete(main(event))\n",
    "a task on a loop that the module keeps": "import asyncio\nloop = asyncio.get_event_loop()\n"
    + RUN
    + "    asyncio.create_task(write(event))\n"
    "def lambda_handler(*args, **kwargs):\n    return loop.run_until_complete(main(*args, **kwargs))\n",
    "a task on a runner that the module keeps": "import asyncio\nrunner = asyncio.Runner()\n"
    + RUN
    + "    asyncio.create_task(write(event))\n"
    "def handler(event, context):\n    return runner.run(main(event))\n",
    "a variable under asyncio.run": RUN
    + "    task = asyncio.create_task(write(event))\n    return {}\n"
    + RUN_END,
}
SOUND = {
    "a task that is awaited": ROUTE
    + "    task = asyncio.create_task(write(event))\n    await task\n"
    + HANDLER,
    "tasks that are gathered": ROUTE
    + "    tasks = []\n    for one in event:\n        tasks.append(asyncio.create_task(write(one)))\n"
    "    await asyncio.gather(*tasks)\n" + HANDLER,
    "a task of a group": ROUTE
    + "    async with asyncio.TaskGroup() as group:\n        group.create_task(write(event))\n"
    + HANDLER,
    "a task that is asked until it is done": ROUTE
    + "    task = asyncio.create_task(write(event))\n    while not task.done():\n        await asyncio.sleep(1)\n"
    + HANDLER,
    "a set whose tasks another function awaits": "class Sender:\n    def __init__(self):\n        self.tasks = set()\n"
    "    def send(self, event):\n        self.tasks.add(asyncio.create_task(write(event)))\n"
    "    async def flush(self):\n        await asyncio.wait(self.tasks)\nsender = Sender()\n"
    + ROUTE
    + "    sender.send(event)\n    await sender.flush()\n"
    + HANDLER,
    "a task that speaks through a queue": API
    + "async def feed(queue):\n    await queue.put(1)\n@app.get('/')\nasync def page():\n"
    "    queue = asyncio.Queue()\n    task = asyncio.create_task(feed(queue))\n    return await queue.get()\n"
    + HANDLER,
    "tasks that the framework runs before the response": ROUTE.replace("event: dict", "event: dict, tasks")
    + "    tasks.add_task(write, event)\n"
    + HANDLER,
    "a start that Mangum never runs": API
    + ENDLESS
    + "@app.on_event('startup')\nasync def start():\n    asyncio.create_task(refresh())\n"
    "handler = Mangum(app, lifespan='off')\n",
    "a lifespan that Mangum never runs": API
    + ENDLESS
    + "async def run(app):\n    asyncio.create_task(refresh())\n    yield\n"
    "app = FastAPI(lifespan=run)\nhandler = Mangum(app, lifespan='off')\n",
    "a lifespan that ends its task": API
    + ENDLESS
    + "async def run(app):\n    task = asyncio.create_task(refresh())\n    yield\n    task.cancel()\n"
    "app = FastAPI(lifespan=run)\n" + HANDLER,
    "a task outside of Lambda": API
    + ENDLESS
    + "@app.on_event('startup')\nasync def start():\n    if MODE != 'lambda':\n"
    "        asyncio.create_task(refresh())\n" + HANDLER,
    "a websocket, which Mangum does not serve": API
    + "@app.websocket('/w')\nasync def talk(socket: WebSocket):\n    asyncio.create_task(write(socket))\n"
    + HANDLER,
    "a server that is no Lambda function": ROUTE + "    asyncio.create_task(write(event))\n",
}


@pytest.mark.parametrize("name", LOST)
def test_a_lost_task_is_found(check, name):
    assert [rule for _, rule in check({"app.py": LOST[name]})] == ["lost-task"]


@pytest.mark.parametrize("name", SOUND)
def test_a_task_that_is_not_lost_is_no_finding(check, name):
    assert check({"app.py": SOUND[name]}) == []
