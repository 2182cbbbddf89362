"""train, eval and config init, through the program; and the providers that the settings name."""

import csv
import json
import re
from pathlib import Path

import pytest

from tests.chat_server import ChatServer
from tests.embedding_model import write_model
from tests.program import STYLE, ForkServer, Program

KEY = "sk-hunter2"
TOLD = re.compile(r"error: [^\n]+\nhint: [^\n]+\n")
WORDS = {
    "apples": ("red", "tree", "cider", "orchard", "pie", "core"),
    "pears": ("green", "conference", "perry", "soft", "stew", "yellow"),
}
ROWS = [
    (f"my {label} are {word} and {more}", label)
    for label in WORDS
    for word in WORDS[label]
    for more in WORDS[label]
]


@pytest.fixture
def ticketctl(environment: dict[str, str], tmp_path: Path, imported: ForkServer) -> Program:
    """The program where no database is: whoever asks for one fails."""
    write(tmp_path / "fruit.csv", ROWS)
    return Program(
        environment | {"TICKETCTL_DATABASE_URL": "postgresql://127.0.0.1:9/none"}, tmp_path, imported
    )


def write(path: Path, rows: list[tuple[str, str]], header: tuple[str, str] = ("text", "label")) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def refused(done, status: int, text: str) -> None:
    assert (done.status, done.out) == (status, ""), done.err
    assert TOLD.fullmatch(done.err), done.err
    assert text in done.err


def test_training_is_deterministic(ticketctl: Program) -> None:
    done = ticketctl("train", "fruit.csv", "-o", "fruit.model")
    size = (ticketctl.folder / "fruit.model").stat().st_size
    assert (done.status, done.out) == (0, f"fruit.model\t2\t72\t{size}\n")
    assert done.err == "warning: labels that are not categories of the taxonomy: apples, pears\n"
    form = ticketctl("train", "fruit.csv", "--output", "again.model", "--json").json
    assert form == {"file": "again.model", "labels": 2, "texts": 72, "bytes": size, "embeddings": None}
    first, again = (ticketctl.folder / name for name in ("fruit.model", "again.model"))
    assert first.read_bytes() == again.read_bytes()


def test_training_reads_json_lines_and_other_columns(ticketctl: Program) -> None:
    lines = [json.dumps({"said": text, "about": label}) for text, label in ROWS]
    (ticketctl.folder / "fruit.jsonl").write_text("\n".join(lines))
    columns = ("--text-column", "said", "--label-column", "about")
    assert ticketctl("train", "fruit.jsonl", "-o", "fruit.model", *columns).status == 0
    assert (
        ticketctl("eval", "fruit.jsonl", "--model", "fruit.model", *columns, "--json").json["tickets"] == 72
    )


def test_an_evaluation_reports_accuracy_and_calibration(ticketctl: Program) -> None:
    write(ticketctl.folder / "test.csv", [*ROWS[::5], ("my apples are red and cider", "pears")])
    done = ticketctl("eval", "test.csv", "--train", "fruit.csv", "--json")
    assert (done.status, done.err) == (0, "")
    form = done.json
    assert form["tickets"] == len(form["predictions"]) == 16
    assert 0.9 < form["accuracy"] < 1
    assert set(form["labels"]) == {"apples", "pears"}
    assert form["labels"]["apples"].keys() == {"precision", "recall", "f1", "tickets"}
    assert form["threshold"].keys() == {"value", "automated", "accuracy"}
    assert form["confusions"] == [{"expected": "pears", "predicted": "apples", "tickets": 1}]
    assert (form["provider"], form["cost"], form["degraded"], form["stopped"]) == ("offline", 0.0, 0, None)
    assert form["latency_ms"]["p50"] <= form["latency_ms"]["p95"]
    for share in ("macro_f1", "ece"):
        assert 0 <= form[share] <= 1


def test_piped_lines_begin_with_their_kind(ticketctl: Program) -> None:
    done = ticketctl("eval", "fruit.csv", "--train", "fruit.csv", "--limit", "10")
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert lines[0] == ["tickets", "10"]
    assert ["accuracy", "1.0"] in lines
    assert [line[:2] for line in lines if line[0] == "label"] == [["label", "apples"]]


def test_a_terminal_shows_a_readable_report(ticketctl: Program) -> None:
    screen = STYLE.sub("", ticketctl.on_terminal("eval", "fruit.csv", "--train", "fruit.csv").out)
    for part in ("accuracy", "100.0% of 72 tickets", "calibration error", "need no review", "PRECISION"):
        assert part in screen


def test_a_low_accuracy_fails(ticketctl: Program) -> None:
    write(ticketctl.folder / "wrong.csv", [(text, "pears") for text, _ in ROWS])
    done = ticketctl("eval", "wrong.csv", "--train", "fruit.csv", "--fail-under", "0.9", "--json")
    assert (done.status, done.json["accuracy"]) == (8, 0.5)
    assert done.err.startswith("error: the accuracy 0.5000 is below 0.9\nhint: ")
    assert ticketctl("eval", "fruit.csv", "--train", "fruit.csv", "--fail-under", "1").status == 0


def test_two_evaluations_are_compared(ticketctl: Program) -> None:
    write(
        ticketctl.folder / "turned.csv",
        [(text, {"apples": "pears"}.get(label, "apples")) for text, label in ROWS],
    )
    before = ticketctl("eval", "fruit.csv", "--train", "turned.csv", "--json")
    (ticketctl.folder / "before.json").write_text(before.out)
    command = ("eval", "fruit.csv", "--train", "fruit.csv", "--compare", "before.json")
    changes = ticketctl(*command, "--json").json["changes"]
    assert len(changes) == 72
    assert changes[0] == {"text": ROWS[0][0], "expected": "apples", "before": "pears", "after": "apples"}
    screen = STYLE.sub("", ticketctl.on_terminal(*command).out)
    assert "72 changed: 72 are right now, 0 were right before" in screen
    (ticketctl.folder / "before.json").write_text(ticketctl(*command[:-2], "--json").out)
    assert ticketctl(*command, "--json").json["changes"] == []


def test_the_configured_taxonomy_is_evaluated(ticketctl: Program) -> None:
    write(
        ticketctl.folder / "desk.csv", [("I forgot my password", "login"), ("I want my money back", "refund")]
    )
    form = ticketctl("eval", "desk.csv", "--json").json
    assert form["accuracy"] == 1
    write(ticketctl.folder / "odd.csv", [("I forgot my password", "login"), ("Hello", "odd \x1b[31m")])
    done = ticketctl("eval", "odd.csv", "--json")
    assert done.err == "warning: labels that are not categories of the taxonomy: odd \\x1b[31m\n"


def test_a_trained_model_processes_tickets(ticketctl: Program) -> None:
    ticketctl("train", "fruit.csv", "-o", "fruit.model")
    done = ticketctl.with_env(TICKETCTL_AI_MODEL_FILE="fruit.model")("eval", "fruit.csv")
    refused(done, 2, "none of the file's labels is a category")
    taxonomy = """
        default_priority = "normal"
        default_team = "support"
        priorities = [{name = "normal"}]
        teams = [{name = "support"}]
        categories = [{name = "apples"}, {name = "pears"}]
    """
    (ticketctl.folder / "taxonomy.toml").write_text(taxonomy)
    named = ticketctl.with_env(TICKETCTL_AI_MODEL_FILE="fruit.model", TICKETCTL_TAXONOMY="taxonomy.toml")
    assert named("eval", "fruit.csv", "--json").json["accuracy"] == 1


def test_a_model_trained_with_embeddings_runs_with_them_only(ticketctl: Program) -> None:
    write_model(ticketctl.folder / "tiny", {"[UNK]": (0, 0), "red": (1, 0), "green": (0, 1)})
    embedding = ticketctl.with_env(TICKETCTL_AI_EMBEDDINGS="tiny")
    assert embedding("train", "fruit.csv", "-o", "fruit.model", "--json").json["embeddings"] == "tiny"
    form = embedding("eval", "fruit.csv", "--model", "fruit.model", "--json").json
    assert (form["model"], form["accuracy"]) == ("offline+tiny", 1)
    done = ticketctl("eval", "fruit.csv", "--model", "fruit.model")
    refused(done, 4, "needs the embedding model tiny that it was trained with")
    (ticketctl.folder / "tiny/model.onnx").write_bytes(b"no model")
    refused(embedding("eval", "fruit.csv", "--model", "fruit.model"), 4, "cannot be used: ")


WRONG: list[tuple[list[str], int, str]] = [
    (["train", "none.csv", "-o", "m"], 2, "no file none.csv"),
    (["train", "notes.txt", "-o", "m"], 2, "neither .csv nor .jsonl"),
    (["train", "fruit.csv", "-o", "."], 2, "cannot be written"),
    (["train", "fruit.csv", "-o", "no/where"], 2, "cannot be written"),
    (["train", "fruit.csv"], 2, "missing option"),
    (["train", "one.csv", "-o", "m"], 2, "at least two different labels"),
    (["train", "fruit.csv", "-o", "m", "--label-column", "x"], 2, "no column 'x'"),
    (["eval", "none.csv"], 2, "no file none.csv"),
    (["eval", "empty.csv"], 2, "no rows"),
    (["eval", "fruit.csv"], 2, "none of the file's labels is a category: apples, pears"),
    (["eval", "fruit.csv", "--provider", "nobody"], 2, "'nobody' is not one of offline, openai, anthropic"),
    (["eval", "fruit.csv", "--train", "fruit.csv", "--model", "m"], 2, "exclude each other"),
    (["eval", "fruit.csv", "--train", "none.csv"], 2, "no file none.csv"),
    (["eval", "fruit.csv", "--model", "none.model"], 2, "no file none.model"),
    (["eval", "fruit.csv", "--model", "fruit.csv"], 2, "not a trained model"),
    (["eval", "fruit.csv", "--compare", "fruit.csv"], 2, "is not a saved evaluation"),
    (["eval", "fruit.csv", "--compare", "none.json"], 2, "none.json cannot be read"),
    (["eval", "fruit.csv", "--fail-under", "1.5"], 2, "'--fail-under'"),
    (["eval", "fruit.csv", "--fail-under", "nan"], 2, "'--fail-under'"),
    (["eval", "fruit.csv", "--budget", "nan"], 2, "'--budget'"),
    (["eval", "fruit.csv", "--limit", "0"], 2, "'--limit'"),
    (["eval", "fruit.csv", "--budget", "-1"], 2, "'--budget'"),
    (["eval", "fruit.csv", "--train", "fruit.csv", "--provider", "openai"], 4, "no model is named"),
]


def test_invalid_use_is_reported(ticketctl: Program) -> None:
    write(ticketctl.folder / "one.csv", ROWS[:3])
    write(ticketctl.folder / "empty.csv", [])
    (ticketctl.folder / "notes.txt").write_text("x")
    for arguments, status, text in WRONG:
        refused(ticketctl(*arguments), status, text)
    assert not (ticketctl.folder / "m").exists()


@pytest.fixture
def online(ticketctl: Program, model: ChatServer) -> Program:
    """The program with a provider behind HTTP."""
    model.answer["category"] = "pears"
    return ticketctl.with_env(
        TICKETCTL_AI_PROVIDER="openai",
        TICKETCTL_AI_BASE_URL=model.url,
        TICKETCTL_AI_API_KEY=KEY,
        TICKETCTL_AI_MODEL="small",
        TICKETCTL_AI_PRICES="small=10/20",
        TICKETCTL_AI_CONCURRENCY="1",
    )


def test_an_http_model_is_evaluated_with_its_cost(online: Program, model: ChatServer) -> None:
    done = online("eval", "fruit.csv", "--train", "fruit.csv", "--limit", "40", "--json")
    assert (done.status, done.err) == (0, "")
    form = done.json
    assert (form["provider"], form["model"], form["tickets"]) == ("openai", "small", 40)
    assert form["accuracy"] == 0.1
    assert (form["input_tokens"], form["output_tokens"]) == (40_000, 20_000)
    assert form["cost"] == pytest.approx(0.8)
    assert {key for key, _ in model.requests} == {f"Bearer {KEY}"}
    assert {body["model"] for _, body in model.requests} == {"small"}


def test_an_exhausted_budget_ends_an_evaluation_with_a_partial_result(
    online: Program, model: ChatServer
) -> None:
    done = online("eval", "fruit.csv", "--train", "fruit.csv", "--budget", "0.05", "--json")
    assert done.status == 7
    assert "the budget of 0.05 is spent" in done.err
    assert done.json["tickets"] == len(model.requests) == 3
    assert done.json["stopped"] == "the budget of 0.05 is spent"


def test_a_budget_for_an_evaluation_needs_a_price(online: Program, model: ChatServer) -> None:
    refused(
        online.with_env(TICKETCTL_AI_PRICES="")("eval", "fruit.csv", "--train", "fruit.csv", "--budget", "1"),
        7,
        "the price of the model small is unknown",
    )
    assert model.requests == []


def test_the_cost_of_a_model_without_a_price_is_unknown(online: Program) -> None:
    form = online.with_env(TICKETCTL_AI_PRICES="")(
        "eval", "fruit.csv", "--train", "fruit.csv", "--limit", "1", "--json"
    ).json
    assert form["cost"] is None


def test_a_refused_key_is_reported_and_never_shown(online: Program, model: ChatServer) -> None:
    model.error_status = 401
    done = online("--debug", "eval", "fruit.csv", "--train", "fruit.csv")
    assert (done.status, done.out) == (7, "")
    assert "check TICKETCTL_AI_API_KEY" in done.err
    assert KEY not in done.err


def test_offline_responses_are_counted(online: Program) -> None:
    away = online.with_env(TICKETCTL_AI_BASE_URL="http://127.0.0.1:9/v1")
    done = away("eval", "fruit.csv", "--train", "fruit.csv", "--limit", "1", "--json")
    assert (done.status, done.json["degraded"]) == (0, 1)
    assert done.err == "warning: 1 of 1 answers came from the offline engine, because the provider failed\n"


def test_config_init_writes_two_files(ticketctl: Program) -> None:
    done = ticketctl("config", "init")
    assert (done.status, done.out, done.err) == (0, "ticketctl.toml\ntaxonomy.toml\n", "")
    settings = {s["variable"]: s for s in ticketctl("config", "show", "--json").json}
    assert settings["TICKETCTL_TAXONOMY"]["value"] == str(ticketctl.folder / "taxonomy.toml")
    assert {s["source"] for name, s in settings.items() if name != "TICKETCTL_TAXONOMY"} == {
        "default",
        "environment",
    }
    written = (ticketctl.folder / "ticketctl.toml").read_text()
    assert all(f"# {name}: {setting['meaning']}" in written for name, setting in settings.items())
    write(ticketctl.folder / "desk.csv", [("I forgot my password", "login")])
    assert ticketctl("eval", "desk.csv", "--json").json["accuracy"] == 1


def test_every_setting_in_the_file_can_be_uncommented(ticketctl: Program) -> None:
    ticketctl("config", "init")
    path = ticketctl.folder / "ticketctl.toml"
    path.write_text(re.sub(r"^# ([a-z_]+ = )", r"\1", path.read_text(), flags=re.MULTILINE))
    done = ticketctl("config", "show", "--json")
    assert (done.status, done.err) == (0, "")
    assert {s["source"] for s in done.json} == {"default", "environment", "file"}


def test_existing_files_are_kept_without_force(ticketctl: Program) -> None:
    (ticketctl.folder / "taxonomy.toml").write_text("mine")
    refused(ticketctl("config", "init"), 2, "taxonomy.toml would be replaced")
    assert (ticketctl.folder / "taxonomy.toml").read_text() == "mine"
    assert not (ticketctl.folder / "ticketctl.toml").exists()
    assert ticketctl("config", "init", "--force").status == 0
    assert (ticketctl.folder / "taxonomy.toml").read_text() != "mine"
    refused(ticketctl("config", "init", "no/where"), 2, "cannot be written")


def test_config_show_hides_the_key(online: Program) -> None:
    for arguments in (["config", "show"], ["config", "show", "--json"], ["--debug", "config", "show"]):
        done = online(*arguments)
        assert done.status == 0
        assert "TICKETCTL_AI_API_KEY" in done.out
        assert KEY not in done.out + done.err
