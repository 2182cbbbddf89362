"""What libraries and caches keep of each invocation."""

import pytest

GROWS = "grows-each-invocation"
HANDLER = "def handler(event, context):\n"
RUN = HANDLER + "    return asyncio.run(main(event))\n"
MEMORY = "from langchain.memory import ConversationBufferMemory\n"
CACHE = "import functools, uuid\nclass Shop:\n    @functools.cache\n    def load(self, name):\n        return name\n"

FAULTS = {
    "a conversation of the module": (
        MEMORY + "memory = ConversationBufferMemory()\n" + HANDLER + "    memory.save_context(event, {})\n",
        ("app.py:2", GROWS),
    ),
    "a conversation in a chain": (
        MEMORY
        + "try:\n    memory = ConversationBufferMemory()\n    chain = make(memory=memory)\nexcept KeyError:\n    chain = None\n"
        + HANDLER
        + "    return chain.run(event)\n",
        ("app.py:3", GROWS),
    ),
    "a conversation for each session": (
        "from langchain_core.chat_history import InMemoryChatMessageHistory\nstore = {}\ndef get(key):\n"
        "    if key not in store:\n        store[key] = InMemoryChatMessageHistory()\n    return store[key]\n"
        + HANDLER
        + "    return get(event['session']).add_user_message('x')\n",
        ("app.py:5", GROWS),
    ),
    "a conversation of an object that is kept": (
        MEMORY + "class Bot:\n    def __init__(self):\n        self.memory = ConversationBufferMemory()\n"
        "    def ask(self, event):\n        return self.memory.save_context(event, {})\nbot = Bot()\n"
        + HANDLER
        + "    return bot.ask(event)\n",
        ("app.py:4", GROWS),
    ),
    "checkpoints of a graph": (
        "from langgraph.checkpoint.memory import MemorySaver\ngraph = builder.compile(checkpointer=MemorySaver())\n"
        + HANDLER
        + "    return graph.invoke(event)\n",
        ("app.py:2", GROWS),
    ),
    "a figure": (
        "import matplotlib.pyplot as plt\n"
        + HANDLER
        + "    figure, axes = plt.subplots()\n    figure.savefig('x')\n",
        ("app.py:3", GROWS),
    ),
    "a client of Prisma that is connected and disconnected": (
        "import asyncio\nfrom prisma import Prisma\nasync def main(event):\n    async with Prisma() as db:\n"
        "        return await db.user.count()\n" + RUN,
        ("app.py:4", GROWS),
    ),
    "LiteLLM on a loop for each invocation": (
        "import asyncio, litellm\nasync def main(event):\n    return await litellm.acompletion(model='x')\n"
        + RUN,
        ("app.py:3", "client-never-closed"),
    ),
    "LiteLLM in an agent": (
        "import asyncio\nfrom google.adk.models.lite_llm import LiteLlm\nmodel = LiteLlm(model='x')\n"
        "async def main(event):\n    async for one in runner.run_async(event):\n        print(one)\n" + RUN,
        ("app.py:3", "client-never-closed"),
    ),
    "a cache of methods": (
        CACHE + HANDLER + "    return Shop().load('x')\n",
        ("app.py:4", GROWS),
    ),
    "a cache without a limit": (
        "import functools, uuid\n@functools.lru_cache(maxsize=None)\ndef load(key):\n    return key\n"
        + HANDLER
        + "    return load(uuid.uuid4().hex)\n",
        ("app.py:3", GROWS),
    ),
}

SOUND = {
    "a conversation of the invocation": MEMORY
    + HANDLER
    + "    memory = ConversationBufferMemory()\n    memory.save_context(event, {})\n",
    "a conversation that is cleared": MEMORY
    + "memory = ConversationBufferMemory()\n"
    + HANDLER
    + "    memory.save_context(event, {})\n    memory.clear()\n",
    "a conversation that is cleared in its chain": MEMORY
    + "chain = make(memory=ConversationBufferMemory())\n"
    + HANDLER
    + "    chain.run(event)\n    chain.memory.clear()\n",
    "a conversation that the handler does not use": MEMORY
    + "memory = ConversationBufferMemory()\n"
    + HANDLER
    + "    return event\n",
    "a figure that is closed": "import matplotlib.pyplot as plt\n"
    + HANDLER
    + "    figure = plt.figure()\n    figure.savefig('x')\n    plt.close(figure)\n",
    "a figure of the import": "import matplotlib.pyplot as plt\nfigure = plt.figure()\n"
    + HANDLER
    + "    figure.savefig('x')\n",
    "LiteLLM on a loop that is kept": "import asyncio, litellm\nasync def main(event):\n"
    "    return await litellm.acompletion(model='x')\n"
    + HANDLER
    + "    return asyncio.get_event_loop().run_until_complete(main(event))\n",
    "LiteLLM on a loop for want of another": "import asyncio, litellm\nasync def main(event):\n"
    "    return await litellm.acompletion(model='x')\n"
    + HANDLER
    + "    try:\n        return asyncio.get_event_loop().run_until_complete(main(event))\n"
    "    except RuntimeError:\n        return asyncio.run(main(event))\n",
    "a cache of methods of one object": CACHE + "shop = Shop()\n" + HANDLER + "    return shop.load('x')\n",
    "a cache with a limit": "import functools, uuid\n@functools.lru_cache\ndef load(key):\n    return key\n"
    + HANDLER
    + "    return load(uuid.uuid4().hex)\n",
    "a cache by the event": "import functools\n@functools.cache\ndef load(key):\n    return key\n"
    + HANDLER
    + "    return load(event['bucket'])\n",
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_finds_what_is_kept_of_each_invocation(check, name):
    source, expected = FAULTS[name]

    assert check({"app.py": source}) == [expected]


@pytest.mark.parametrize("name", SOUND)
def test_accepts_what_does_not_grow(check, name):
    assert check({"app.py": SOUND[name]}) == []
