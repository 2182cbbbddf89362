"""Modules that code imports by a string."""

import pytest

RULE = "client-outlives-loop"
PLUGIN = "import httpx\nclient = httpx.AsyncClient()\nasync def run(event):\n    await client.get('x')\n"
START = "import asyncio, importlib\n"
END = "async def main(event):\n    await load(event['name']).run(event)\ndef handler(event, context):\n    asyncio.run(main(event))\n"


def load(expression: str) -> str:
    return f"def load(name):\n    return importlib.import_module({expression})\n"


PACKAGE = {"plugins/__init__.py": "", "plugins/one.py": PLUGIN}
LAYOUTS = {
    "an f-string": {"app.py": START + load("f'plugins.{name}'") + END, **PACKAGE},
    "a sum": {"app.py": START + load("'plugins.' + name") + END, **PACKAGE},
    "a format": {"app.py": START + load("'plugins.{}'.format(name)") + END, **PACKAGE},
    "a percent sign": {"app.py": START + load("'plugins.%s' % name") + END, **PACKAGE},
    "a folder without __init__.py": {
        "app.py": START + load("f'plugins.{name}'") + END,
        "plugins/one.py": PLUGIN,
    },
    "a relative name": {"app.py": START + load("f'.{name}', package='plugins'") + END, **PACKAGE},
    "a name in the middle": {
        "app.py": START + load("f'plugins.{name}.work'") + END,
        "plugins/one/work.py": PLUGIN,
        "plugins/one/rest.py": PLUGIN,
    },
    "a table of names": {
        "app.py": START + "NAMES = {'one': 'plugins.one'}\n" + load("NAMES[name]") + END,
        **PACKAGE,
        "plugins/two.py": PLUGIN,
    },
    "a whole name": {"app.py": START + load("'plugins.one'") + END, **PACKAGE},
    "the built-in function": {
        "app.py": START
        + load("name").replace("importlib.import_module(name)", "__import__(f'plugins.{name}')")
        + END,
        **PACKAGE,
    },
    "the package's own name": {
        "app.py": "import asyncio\nfrom plugins import load\n" + END,
        "plugins/__init__.py": "import importlib\n" + load("f'{__name__}.{name}'"),
        "plugins/one.py": PLUGIN,
    },
    "a loader in the package": {
        "app.py": "import asyncio\nfrom plugins.loader import load\n" + END,
        "plugins/__init__.py": "",
        "plugins/loader.py": "import importlib\n" + load("f'.{name}', __package__"),
        "plugins/one.py": PLUGIN,
    },
    "pkgutil in the package": {
        "app.py": "import asyncio, plugins\nasync def main(event):\n    for one in plugins.found:\n        await one.run(event)\n"
        "def handler(event, context):\n    asyncio.run(main(event))\n",
        "plugins/__init__.py": "import importlib, pkgutil\nfound = [\n    importlib.import_module(f'{__name__}.{one.name}')\n"
        "    for one in pkgutil.iter_modules(__path__)\n]\n",
        "plugins/one.py": PLUGIN,
    },
    "pkgutil and another package": {
        "app.py": START
        + "import pkgutil, plugins\nfound = []\nfor _, name, _ in pkgutil.iter_modules(plugins.__path__):\n"
        "    found.append(importlib.import_module(plugins.__name__ + '.' + name))\nasync def main(event):\n"
        "    await found[0].run(event)\ndef handler(event, context):\n    asyncio.run(main(event))\n",
        **PACKAGE,
    },
    "a function that is looked up": {
        "app.py": START
        + load("f'plugins.{name}'")
        + "async def main(event):\n    await getattr(load(event['name']), 'run')(event)\n"
        "def handler(event, context):\n    asyncio.run(main(event))\n",
        **PACKAGE,
    },
    "a function of any name": {
        "app.py": START
        + load("f'plugins.{name}'")
        + "async def main(event):\n    await getattr(load(event['name']), event['function'])(event)\n"
        "def handler(event, context):\n    asyncio.run(main(event))\n",
        **PACKAGE,
    },
    "the members of a module": {
        "app.py": START
        + "import inspect\n"
        + load("f'plugins.{name}'")
        + "async def main(event):\n    for _, one in inspect.getmembers(load(event['name'])):\n        await one(event)\n"
        "def handler(event, context):\n    asyncio.run(main(event))\n",
        **PACKAGE,
    },
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_module_that_is_imported_by_a_string_is_loaded(check, name):
    files = LAYOUTS[name]
    place = next(file for file in files if file in {"plugins/one.py", "plugins/one/work.py"})
    assert check(files) == [(f"{place}:2", RULE)]


def test_a_task_in_a_function_that_a_string_names_is_found(check):
    files = {
        **LAYOUTS["a function of any name"],
        "plugins/one.py": "import asyncio\nasync def run(event):\n    asyncio.create_task(asyncio.sleep(1))\n",
    }
    assert check(files) == [("plugins/one.py:3", "lost-task")]


def test_tests_and_libraries_are_not_loaded(check):
    source = START + load("f'plugins.{name}'") + "stripe = importlib.import_module('stripe')\n" + END
    assert check({"app.py": source, "plugins/__init__.py": "", "plugins/test_one.py": PLUGIN}) == []
