import pytest

from ticketctl.warmstart.static_analysis.libraries.constructors import (
    can_reopen,
    is_client,
    load_constructors,
    load_shared,
)


def test_the_table_has_forty_clients_that_were_tried_in_the_laboratory():
    measured = [name for name, one in load_constructors().items() if "measured" in one]
    assert len(measured) >= 40
    assert all(
        one.keys()
        <= {
            "measured",
            "reopens",
            "keeps_nothing",
            "shared",
            "methods",
            "own_client",
            "left_open",
            "initializer",
            "renewed",
            "opened_by",
            "own_models",
            "ended_by",
        }
        for one in load_constructors().values()
    )


@pytest.mark.parametrize(
    "name", ["openai.AsyncOpenAI", "grpc.aio.insecure_channel", "weather.AsyncWeatherClient"]
)
def test_listed_names_and_names_like_a_clients_are_clients(name):
    assert is_client(name)


@pytest.mark.parametrize(
    "name", ["slack_sdk.web.async_client.AsyncWebClient", "agents.Runner.run", "httpx.Client", "redis.Redis"]
)
def test_clients_that_keep_nothing_and_synchronous_ones_are_none(name):
    assert not is_client(name)


def test_what_cannot_be_used_after_it_was_closed():
    assert not can_reopen("httpx.AsyncClient")
    assert can_reopen("redis.asyncio.Redis")
    assert "agents.Runner.run" in load_shared()


def test_a_client_inside_a_library_is_found(check):
    source = (
        "import asyncio\nfrom agents import Runner\nasync def main(event):\n    return await Runner.run(agent, 'x')\n"
        "def handler(event, context):\n    return asyncio.run(main(event))\n"
    )
    assert check({"app.py": source}) == [("app.py:4", "library-client-outlives-loop")]


CHAT = """\
import asyncio
from langchain_openai import ChatOpenAI
def make():
    return ChatOpenAI({arguments})
async def main(event):
    return await {receiver}.{method}(event)
def handler(event, context):
    model = graph = make()
    return asyncio.run(main(event))
"""


@pytest.mark.parametrize(
    ("arguments", "receiver", "method", "is_found"),
    [
        ("model='m'", "model", "ainvoke", True),
        ("model='m'", "model", "invoke", False),
        ("model='m'", "graph", "ainvoke", False),
        ("http_async_client=own", "model", "ainvoke", False),
    ],
)
def test_a_shared_client_counts_where_its_asynchronous_methods_use_it(
    check, arguments, receiver, method, is_found
):
    source = CHAT.format(arguments=arguments, receiver=receiver, method=method)
    assert check({"app.py": source}) == ([("app.py:4", "library-client-outlives-loop")] if is_found else [])


def test_a_class_of_the_project_is_no_client_by_its_name(check):
    files = {
        "app.py": "import asyncio\nfrom shop import AsyncShopClient\nclient = AsyncShopClient()\n"
        "def handler(event, context):\n    return asyncio.run(client.get(event))\n",
        "shop/__init__.py": "from shop.web import AsyncShopClient\n",
        "shop/web.py": "import httpx\nclass AsyncShopClient:\n    async def get(self, event):\n"
        "        async with httpx.AsyncClient() as web:\n            return await web.get('x')\n",
    }
    assert check(files) == []
