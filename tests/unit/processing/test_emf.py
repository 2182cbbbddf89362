"""The line that CloudWatch makes metrics of."""

import pytest

from ticketctl.processing.emf import InvocationMetrics, to_emf

METRICS = InvocationMetrics(done=2, returned=1, seconds=0.25, cost=0.0012345678, account_refusals=0)


def test_every_value_is_declared_with_a_unit_that_cloudwatch_knows() -> None:
    line = to_emf(METRICS, "worker", 1_700_000_000.5)
    values = {name: value for name, value in line.items() if name not in {"_aws", "FunctionName"}}
    (directive,) = line["_aws"]["CloudWatchMetrics"]  # type: ignore[index] # an object
    assert line["_aws"]["Timestamp"] == 1_700_000_000_500  # type: ignore[index] # as above
    assert (directive["Namespace"], directive["Dimensions"]) == ("ticketctl", [["FunctionName"]])
    assert {one["Name"] for one in directive["Metrics"]} == values.keys()
    assert {one["Unit"] for one in directive["Metrics"]} <= {"Count", "Milliseconds", "None"}
    assert values == {
        "RecordsDone": 2,
        "RecordsReturned": 1,
        "InvocationDuration": 250.0,
        "AccountRefusals": 0,
        "AiCost": 0.001235,
    }


@pytest.mark.parametrize("cost", [None, 0.0])
def test_an_unknown_cost_is_no_metric(cost: float | None) -> None:
    assert ("AiCost" in to_emf(METRICS._replace(cost=cost), "worker", 0.0)) == (cost is not None)
