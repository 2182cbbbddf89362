"""What the engine reads and writes: labelled texts, trained models, the folder that keeps them."""

import logging
import subprocess
import sys

import pytest

from ticketctl.ai.evaluation.dataset import LabeledText, load_dataset
from ticketctl.ai.evaluation.runner import ticket_from_text
from ticketctl.ai.offline import OfflineProvider
from ticketctl.ai.offline.engine import model_store
from ticketctl.ai.offline.engine.artifact import serialize
from ticketctl.ai.offline.engine.model_store import load_or_train, model_file_name
from ticketctl.ai.offline.engine.training import train
from ticketctl.ai.taxonomy.loader import default_taxonomy, taxonomy_from_labels
from ticketctl.errors import ConfigError, InvalidInputError

ROWS = (
    ("green tea", "a"),
    ("black tea", "a"),
    ("green tea please", "a"),
    ("one coffee", "b"),
    ("coffee please", "b"),
)


@pytest.fixture(autouse=True)
def forgetful():
    model_store.load_or_train.cache_clear()


def no_training(monkeypatch):
    def refuse(*_):
        raise AssertionError("it trained again")

    monkeypatch.setattr("ticketctl.ai.offline.engine.training.train", refuse)


def test_a_model_is_trained_once_and_then_loaded(tmp_path, monkeypatch):
    first = load_or_train(ROWS, tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == [model_file_name(ROWS)]
    no_training(monkeypatch)
    assert load_or_train(ROWS, tmp_path / "new") is first
    model_store.load_or_train.cache_clear()
    assert load_or_train(ROWS, tmp_path / "new") == first


async def test_the_built_in_taxonomy_never_trains(monkeypatch):
    no_training(monkeypatch)
    answer = await OfflineProvider(default_taxonomy()).classify(ticket_from_text("I forgot my password"))
    assert answer.output.category == "login"


def test_the_first_ticket_imports_neither_trainer_nor_http():
    program = (
        "import sys\n"
        "from ticketctl import event_loops\n"
        "from ticketctl.ai.offline import OfflineProvider\n"
        "from ticketctl.ai.taxonomy.loader import default_taxonomy\n"
        "from ticketctl.ai.evaluation.runner import ticket_from_text\n"
        "event_loops.run(OfflineProvider(default_taxonomy()).classify(ticket_from_text('I forgot my password')))\n"
        "print(*sorted({'httpx', 'random', 'ticketctl.ai.offline.engine.training'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_different_examples_make_a_different_model(tmp_path):
    load_or_train(ROWS, tmp_path)
    load_or_train(ROWS[1:], tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_model_is_trained_again(tmp_path, caplog):
    (tmp_path / model_file_name(ROWS)).write_bytes(b"nonsense")
    model = load_or_train(ROWS, tmp_path)
    assert (tmp_path / model_file_name(ROWS)).read_bytes() == serialize(model)
    assert "cannot be used" in caplog.text


def test_an_unwritable_cache_folder_is_tolerated(tmp_path, caplog):
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        assert load_or_train(ROWS, tmp_path / "file" / "folder").labels == ("a", "b")
    assert "cannot be saved" in caplog.text


async def test_a_model_file_replaces_the_examples(tmp_path):
    file = tmp_path / "drinks.model"
    file.write_bytes(serialize(train(ROWS * 3)))
    answer = await OfflineProvider(taxonomy_from_labels("ab"), trained_model=file).classify(
        ticket_from_text("green tea please")
    )
    assert (answer.output.category, answer.output.method) == ("a", "model")


@pytest.mark.parametrize(
    ("labels", "content", "expected"),
    [
        ("ac", None, "has categories that the taxonomy lacks: b"),
        ("ab", b"x", "cannot be used: this is not"),
    ],
)
async def test_an_unsuitable_model_file_is_refused(tmp_path, labels, content, expected):
    file = tmp_path / "drinks.model"
    file.write_bytes(content or serialize(train(ROWS)))
    with pytest.raises(ConfigError, match=expected):
        await OfflineProvider(taxonomy_from_labels(labels), trained_model=file).classify(
            ticket_from_text("tea")
        )


def test_datasets_are_loaded_from_csv_and_json_lines(tmp_path):
    (tmp_path / "a.csv").write_text('\ufefftext,label\n"two\nlines",x\nß , y \n', "utf-8")
    assert load_dataset(tmp_path / "a.csv") == [LabeledText("two\nlines", "x"), LabeledText("ß", "y")]
    (tmp_path / "a.jsonl").write_text('{"body": "t", "kind": "x"}\n\n{"body": "u", "kind": "y"}\n', "utf-8")
    assert load_dataset(tmp_path / "a.jsonl", "body", "kind") == [
        LabeledText("t", "x"),
        LabeledText("u", "y"),
    ]


ODD = {
    "a byte order mark": ("a.csv", b"\xef\xbb\xbftext,label\nt,x\nu,y\n"),
    "columns in capitals, with spaces": ("a.csv", b" Text , LABEL\nt,x\nu,y\n"),
    "semicolons": ("a.csv", b"id;text;label\n1;t;x\n2;u;y\n"),
    "tabs": ("a.csv", b"text\tlabel\nt\tx\nu\ty\n"),
    "tabs by name": ("a.tsv", b"text\tlabel\nt\tx\nu\ty\n"),
    "line ends of old": ("a.csv", b"text,label\rt,x\ru,y\r"),
    "empty lines": ("A.CSV", b"text,label\n\n\nt,x\n\nu,y\n\n"),
    "JSON with a mark, and line ends of Windows": (
        "a.jsonl",
        b'\xef\xbb\xbf{"text": "t", "label": "x"}\r\n{"Text": "u", "label": "y", "more": {}}\r\n',
    ),
}


@pytest.mark.parametrize(("name", "content"), ODD.values(), ids=ODD)
def test_datasets_are_loaded_from_unusual_files(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert load_dataset(tmp_path / name) == [LabeledText("t", "x"), LabeledText("u", "y")]


def test_labels_can_be_numbers(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "t", "label": 0}\n{"text": "u", "label": 11}', "utf-8")
    assert load_dataset(tmp_path / "a.jsonl") == [LabeledText("t", "0"), LabeledText("u", "11")]


def test_a_lone_surrogate_is_replaced(tmp_path):
    (tmp_path / "a.jsonl").write_text(r'{"text": "a \ud800 b", "label": "x"}', "utf-8")
    assert load_dataset(tmp_path / "a.jsonl") == [LabeledText("a ? b", "x")]


def test_a_text_can_be_very_long(tmp_path):
    long = "word " * 100_000
    (tmp_path / "a.csv").write_text(f"text,label\n{long},x\n")
    assert load_dataset(tmp_path / "a.csv") == [LabeledText(long.strip(), "x")]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", b"[" * 100_000, "line 1: not valid JSON"),
        ("a.jsonl", b'{"text": "a", "label": true}', "line 1: label is empty or not a text"),
        ("a.txt", b"", "neither .csv nor .jsonl"),
        ("a.csv", b"", "has no rows"),
        ("a.csv", b"text,label\n", "has no rows"),
        ("a.csv", b"text,label\na,b\nc,\n", "line 3: label is empty"),
        ("a.csv", b"text,label\na\n", "line 2: label is empty"),
        ("a.csv", b"text,label\na,b,c\n", "line 2: more fields"),
        ("a.csv", b"body,label\na,b\n", "line 2: there is no column 'text'; the columns are body, label"),
        ("a.csv", b"text,label\n\xff,b\n", "cannot be read"),
        ("a.jsonl", b'{"text": "a", "label": "b"}\n{"text"', "line 2: not valid JSON"),
        ("a.jsonl", b"[1]", "line 1: not a JSON object"),
        ("a.jsonl", b'{"text": 5, "label": "b"}', "line 1: text is empty or not a text"),
    ],
)
def test_invalid_datasets_name_the_line(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInputError, match=expected):
        load_dataset(tmp_path / name)


def test_a_missing_dataset_is_an_error(tmp_path):
    with pytest.raises(InvalidInputError, match="there is no file"):
        load_dataset(tmp_path / "a.csv")
