import xml.etree.ElementTree as ET

from ticketctl.warmstart.report.charts import (
    describe_range,
    render_charts,
    render_sparkline,
    select_series,
)


def test_a_sparkline_has_one_character_for_each_count():
    assert render_sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert render_sparkline([5, 5, 5]) == "▁▁▁"
    assert render_sparkline([1, 3], ascii_only=True) == "_@"


def test_only_series_that_change_are_drawn():
    assert list(select_series({"connections": [1, 2], "threads": [3, 3], "loops": []})) == ["connections"]
    assert render_charts({"threads": [3, 3]}) is None


def test_memory_is_described_in_megabytes():
    assert describe_range("connections", [1, 4]) == "1 to 4"
    assert describe_range("memory", [2**20, 3 * 2**20]) == "1.0 to 3.0 MB"


def test_a_chart_has_a_line_with_a_point_for_each_count():
    chart = render_charts({"connections": [1, 2, 3]})
    (line,) = [one for one in ET.fromstring(f"<g>{chart.markup}</g>") if one.tag == "polyline"]  # noqa: S314 our own
    assert len(line.get("points").split()) == 3
    assert "1 to 3 in 3" in chart.markup
