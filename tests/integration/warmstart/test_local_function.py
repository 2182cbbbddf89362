"""A function that stays warm between invocations, as `work` runs it."""

import pytest

from ticketctl.warmstart.runner.local_function import InvocationFailedError, LocalFunction


@pytest.fixture
async def make_function(monkeypatch, handlers):
    monkeypatch.syspath_prepend(str(handlers))
    functions = []

    def make(handler):
        function = LocalFunction(
            f"describes_lambda:{handler}",
            name="tickets",
            environment={"AWS_REGION": "eu-west-1"},
            is_quiet=True,
        )
        functions.append(function)
        return function

    yield make
    for function in functions:
        await function.stop()


async def test_the_handler_gets_the_whole_lambda_environment(make_function):
    function = make_function("handler")
    await function.start()
    told = await function.invoke({}, 5)
    assert told["context"]["function_name"] == "tickets"
    assert told["context"]["log_group_name"] == "/aws/lambda/tickets"
    assert told["context"]["invoked_function_arn"].startswith("arn:aws:lambda:eu-west-1:")
    assert told["context"]["memory_limit_in_mb"] == told["variables"]["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
    assert 4000 < told["remaining"] <= 5000
    assert {"LAMBDA_TASK_ROOT", "AWS_EXECUTION_ENV", "TZ"} <= told["variables"].keys()
    assert told["zone"] == "UTC"


async def test_a_process_that_exits_is_replaced(make_function):
    function = make_function("exits")
    assert await function.start()
    with pytest.raises(InvocationFailedError, match="SystemExit"):
        await function.invoke({}, 5)
    assert await function.start()


async def test_one_process_serves_all_invocations(make_function):
    function = make_function("identify")
    assert await function.start()
    pids = {await function.invoke({}, 5) for _ in range(3)}
    assert not await function.start()
    assert pids == {function.pid}
