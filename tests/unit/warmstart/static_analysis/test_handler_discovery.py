"""Handlers are found in deployment files and by shape, and their imports are followed from their own folder."""

import sys

import pytest

from ticketctl.warmstart.static_analysis.analyzer import analyze

ENGINE = "from sqlalchemy.ext.asyncio import create_async_engine\nengine = create_async_engine('x')\n"
MAIN = "import asyncio\nfrom db import engine\nasync def main(): ...\ndef start(a, b):\n    asyncio.run(main())\n"
FOUND = ("functions/worker/db.py:2", "engine-outlives-loop")
SOURCE = {"functions/worker/app.py": MAIN, "functions/worker/db.py": ENGINE, "db.py": "engine = None\n"}

SAM = """
Globals:
  Function:
    Runtime: python3.13
Resources:
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/worker/
      Handler: app.start  # the entry
      Events:
        Queue:
          Type: SQS
"""
DEFAULT_FOLDER = """
Globals:
  Function:
    CodeUri: functions/worker
Resources:
  Worker:
    Properties: {}
    Handler: app.start
"""
IMAGE = """
Resources:
  Worker:
    Properties:
      PackageType: Image
      ImageConfig:
        Command: ["app.start"]
    Metadata:
      DockerContext: ./functions/worker
"""
SERVERLESS = """
provider:
  name: aws
  runtime: python3.12
functions:
  worker:
    handler: functions/worker/app.start
    events:
      - sqs: arn
"""
TERRAFORM = """
resource "aws_lambda_function" "worker" {
  handler = "app.start"
  runtime = "python3.13"
}
data "archive_file" "worker" {
  source_dir = "${path.module}/../functions/worker"
}
"""
CDK = """
from aws_cdk import aws_lambda as lambda_
lambda_.Function(self, "Worker", runtime=lambda_.Runtime.PYTHON_3_13, handler="app.start",
    code=lambda_.Code.from_asset("functions/worker"))
"""
CDK_TYPESCRIPT = """
import { Function, Code } from 'aws-cdk-lib/aws-lambda';
new PythonFunction(this, 'Worker', { entry: 'functions/worker', index: 'app.py', handler: 'start' });
"""
TEMPLATE_JSON = (
    '{"Resources": {"W": {"Properties": {"Handler": "app.start", "CodeUri": "functions/worker"}}}}'
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("template.yaml", SAM),
        ("template.yml", DEFAULT_FOLDER),
        ("deploy/template.yaml", SAM.replace("functions", "../functions")),
        ("image.yaml", IMAGE),
        ("template.json", TEMPLATE_JSON),
        ("serverless.yml", SERVERLESS),
        ("infra/main.tf", TERRAFORM),
        ("stack.py", CDK),
        ("lib/stack.ts", CDK_TYPESCRIPT),
    ],
)
def test_a_handler_is_found_in_a_deployment_file(check, name, text):
    assert check(SOURCE | {name: text}) == [FOUND]


def test_without_a_deployment_file_the_shape_of_a_handler_counts(check):
    files = SOURCE | {"functions/worker/app.py": MAIN.replace("start(a, b)", "start(event, context)")}
    assert check(files) == [FOUND]


def test_a_script_without_any_handler_has_no_findings(check):
    assert check({"bot.py": CLIENT + "import asyncio\ndef run():\n    asyncio.run(client.get('x'))\n"}) == []


def test_a_declared_handler_without_a_module_is_reported(write):
    analysis = analyze(write({"template.yaml": SAM, "other.py": "x = 1\n"}))
    assert analysis.unresolved == ["app.start (template.yaml:10)"]


def test_unresolved_imports_are_reported(write):
    source = "import json\nimport missing.part\nfrom .gone import part\ndef handler(event, context): ...\n"
    analysis = analyze(write({"pkg/app.py": source, "pkg/__init__.py": "", "elsewhere.py": ""}))
    assert analysis.unresolved == [".pkg.gone.part", "missing"]
    assert (list(analysis.files), analysis.file_count) == (["pkg/__init__.py", "pkg/app.py"], 3)


HANDLER = "import asyncio\n{}\nasync def main(): ...\ndef handler(event, context):\n    return asyncio.run(main())\n"
CLIENT = "import httpx\nclient = httpx.AsyncClient()\n"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (
            {"app/main.py": HANDLER.format("from clients.web import client"), "src/clients/web.py": CLIENT},
            "src/clients/web.py:2",
        ),
        (
            {"services/a/app.py": HANDLER.format("import shared"), "layers/common/python/shared.py": CLIENT},
            "layers/common/python/shared.py:2",
        ),
        (
            {"lambda/a/app.py": HANDLER.format("import shared"), "lambda/shared.py": CLIENT},
            "lambda/shared.py:2",
        ),
        (
            {
                "src/shop/__init__.py": "from .web import client\n",
                "src/shop/web.py": CLIENT,
                "src/shop/app.py": HANDLER.format("from shop import *"),
            },
            "src/shop/web.py:2",
        ),
        ({"a/app.py": HANDLER.format("import web"), "a/web.py": CLIENT, "b/web.py": CLIENT}, "a/web.py:2"),
        (  # folders without __init__.py
            {"app/entry.py": HANDLER.format("from app.core.web import client"), "app/core/web.py": CLIENT},
            "app/core/web.py:2",
        ),
        (
            {"api/app/entry.py": HANDLER.format("from app import web"), "api/app/web.py": CLIENT},
            "api/app/web.py:2",
        ),
        (  # Lambda puts the folder of the function on sys.path, whatever it holds
            {"__init__.py": "", "app.py": HANDLER.format("import web"), "web.py": CLIENT},
            "web.py:2",
        ),
        (
            {
                "orders/__init__.py": "",
                "orders/app.py": HANDLER.format("from db.web import client"),
                "orders/db/__init__.py": "",
                "orders/db/web.py": CLIENT,
            },
            "orders/db/web.py:2",
        ),
    ],
)
def test_imports_are_followed_in_the_usual_layouts(check, files, found):
    assert check(files) == [(found, "client-outlives-loop")]


def test_a_module_beside_a_file_is_no_well_known_library(check):
    files = {
        "__init__.py": "",
        "app.py": "import asyncio, redis\nkept = redis.asyncio.Redis()\nasync def main():\n    await kept.get('x')\n"
        "def handler(event, context):\n    asyncio.run(main())\n",
        "redis.py": "",
    }
    assert check(files) == [("app.py:2", "client-outlives-loop")]


def test_a_missing_package_hides_nothing_behind_it(check):
    files = {
        "app/entry.py": HANDLER.format("import app.web"),
        "app/web.py": "from app.models import Order\n" + CLIENT,
    }
    assert check(files) == [("app/web.py:3", "client-outlives-loop")]


def test_a_loop_in_a_function_that_the_handler_does_not_reach_does_not_count(check):
    source = (
        CLIENT
        + "import asyncio\ndef tool():\n    asyncio.run(client.get('x'))\ndef handler(event, context): ...\n"
    )
    assert check({"app.py": source}) == []
    assert check({"app.py": source.replace("context): ...", "context):\n    return tool()")}) != []


USER = "import asyncio\nfrom shop.db import engine\ndef handler(event, context):\n    asyncio.run(engine.begin())\n"


def test_a_package_of_another_distribution_in_the_repository_is_found(check):
    files = {
        "infra/orders/app.py": USER,
        "shop/pyproject.toml": "",
        "shop/shop/__init__.py": "",
        "shop/shop/db.py": ENGINE,
    }
    assert check(files) == [("shop/shop/db.py:2", "engine-outlives-loop")]


def test_a_package_that_two_distributions_have_is_not_guessed(check):
    files = {f"{name}/shop/{file}": ENGINE for name in ("one", "two") for file in ("__init__.py", "db.py")}
    assert check({"infra/app.py": USER, **files}) == []


NEWER = {
    "an f-string with its own quotes": "name = f'{event['id']:#x} {{'\n",
    "an f-string over several lines": 'name = f"{\n    event["id"]  # the "order\n} and {f"{1}"}"\n',
    "a class with a parameter": "class Box[T: dict[str, int]]:\n    pass\n",
    "a function with a parameter": "async def first[T](items: list[T]) -> T:\n    return items[0]\n",
    "an alias of a type": "type Pair[T] = tuple[T, T]\ntype Json = dict[str, Json]\n",
    "exceptions without parentheses": "try:\n    pass\nexcept ValueError, KeyError:\n    pass\n",
    "a template string": "name = t'{1}'\n",
}


@pytest.mark.parametrize("name", NEWER)
def test_a_file_for_a_newer_python_is_read(write, name):
    source = NEWER[name] + CLIENT + HANDLER.format("").replace("...", "await client.get('x')")
    analysis = analyze(write({"app.py": source}), "app.handler", version=lambda _: None)
    line = source.splitlines().index("client = httpx.AsyncClient()") + 1
    assert [(one.place, one.rule) for one in analysis.findings] == [
        (f"app.py:{line}", "client-outlives-loop")
    ]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python can parse the files")
def test_files_that_only_a_newer_python_can_parse_are_counted_together(write):
    files = {
        "app.py": "import one, two\ndef handler(event, context):\n    pass\n",
        "one.py": "class Box[T]: x =\n",
        "two.py": "def first[T](items): x =\n",
    }
    analysis = analyze(write(files), "app.handler", version=lambda _: None)
    assert analysis.findings == []
    assert analysis.unresolved == [
        "2 files such as one.py (written for a newer Python: run the doctor with it)"
    ]


FORGETFUL = "import asyncio\nasync def work():\n    asyncio.create_task(asyncio.sleep(1))\n"
CALLER = (
    "import asyncio\nfrom redis.asyncio import work\ndef handler(event, context):\n    asyncio.run(work())\n"
)


@pytest.mark.parametrize(
    "beside",
    [
        {"redis/__init__.py": "__version__ = '8.1.0'\n"},
        {"redis/__init__.py": "", "click-8.3.dist-info/RECORD": "click/core.py,,\n"},
        {"redis/__init__.py": "", "redis_py-8.1.dist-info/RECORD": "redis/__init__.py,,\n"},
    ],
)
def test_a_copy_of_a_library_is_not_looked_into(check, beside):
    assert check({"app.py": CALLER, "redis/asyncio/__init__.py": FORGETFUL, **beside}) == []


def test_a_package_that_states_its_version_beside_a_copy_is_a_copy(check):
    files = {
        "app.py": CALLER.replace("redis.asyncio", "sender"),
        "redis/__init__.py": "__version__ = '8.1.0'\n",
        "sender/__init__.py": "__version__ = '1.0'\n" + FORGETFUL,
    }
    assert check(files) == []


def test_an_own_package_with_the_name_of_a_library_is_looked_into(check):
    files = {"app.py": CALLER, "redis/__init__.py": "", "redis/asyncio/__init__.py": FORGETFUL}
    assert check(files) == [("redis/asyncio/__init__.py:3", "lost-task")]
