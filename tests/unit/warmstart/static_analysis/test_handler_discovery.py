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
    ],
)
def test_imports_are_followed_in_the_usual_layouts(check, files, found):
    assert check(files) == [(found, "client-outlives-loop")]


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


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python can parse the file")
def test_a_file_for_a_newer_python_is_unresolved_and_no_finding(write):
    source = "def handler(event, context):\n    return f'{event['id']}'\n"
    analysis = analyze(write({"app.py": source}), "app.handler", version=lambda _: None)
    assert analysis.findings == []
    assert analysis.unresolved == ["app.py (its f-strings need Python 3.12)"]
