import textwrap

import pytest

from ticketctl.warmstart.report.leftovers import add_task_starts, locate_leftovers
from ticketctl.warmstart.report.source_locator import (
    find_assignment,
    find_insertion,
    find_task_start,
    is_endless,
)

SOURCE = textwrap.dedent("""\
    import asyncio
    client = None
    reader, writer = None, None
    lock: asyncio.Lock = asyncio.Lock()

    class Upstream:
        streams = None
        shared = asyncio.Queue()

        async def open(self):
            self.streams = await asyncio.open_connection("localhost", 1)

    async def work():
        global client, reader, writer
        client = object()
        reader, writer = await asyncio.open_connection("localhost", 1)
        task = asyncio.create_task(audit(1))
        group.start_soon(flush)
        if (found := search()):
            pass

    async def audit(number):
        while True:
            await asyncio.sleep(1)
            await asyncio.sleep(2)

    async def flush():
        while pending():
            await asyncio.sleep(1)
""")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "app.py"
    path.write_text(SOURCE)
    return str(path)


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["client"], 15),
        (["lock"], 4),
        (["writer"], 3),
        (["Upstream", "streams"], 11),
        (["Upstream", "shared"], 8),
        (["found"], 19),
        (["nothing"], None),
        (["Nowhere", "streams"], None),
        ([], None),
    ],
)
def test_the_line_that_assigns_a_name(file, names, line):
    assert find_assignment(file, tuple(names)) == line


@pytest.mark.parametrize(("coroutine", "line"), [("audit", 17), ("flush", 18), ("work", None)])
def test_the_line_that_starts_a_task(file, coroutine, line):
    assert find_task_start(file, coroutine) == line


def test_a_while_true_loop_is_endless(file):
    assert is_endless(file, 25)
    assert not is_endless(file, 29)


@pytest.mark.parametrize("content", ["def broken(:", "\0"])
def test_a_file_that_cannot_be_parsed_has_no_lines(tmp_path, content):
    path = tmp_path / "other.py"
    path.write_text(content)
    assert find_assignment(str(path), ("broken",)) is None
    assert find_assignment(str(tmp_path / "gone.py"), ("broken",)) is None


def make_answer(file, kind, name, line):
    return {
        "kind": kind,
        "type": f"asyncio.Task({name})",
        "owner": None,
        "peer": None,
        "line": line,
        "loop": 1,
        "definition": {"file": file, "shown": "app.py", "names": [name]},
        "elsewhere": [],
    }


def test_a_cancelled_endless_task_is_no_leftover(file):
    assert locate_leftovers([make_answer(file, "cancelled task", "audit", "app.py:25")], 1) == []


def test_a_task_is_located_where_it_is_started(file):
    (one,) = locate_leftovers([make_answer(file, "cancelled task", "flush", "app.py:29")], 2)
    assert (one.created_at, one.invocation) == ("app.py:18", 2)


def test_a_task_that_another_module_starts_is_located_there(tmp_path):
    (tmp_path / "audit.py").write_text("async def write(n): ...\n")
    (tmp_path / "app.py").write_text(
        "from audit import write\ndef begin(group):\n    group.create_task(write(1))\n"
    )
    task = make_answer(str(tmp_path / "audit.py"), "cancelled task", "write", "audit.py:1")
    (one,) = locate_leftovers([task | {"elsewhere": [(str(tmp_path / "app.py"), "app.py")]}], 1)
    assert one.created_at == one.kept_at == "app.py:3"


def test_a_coroutine_in_a_variable_is_followed_to_its_task(tmp_path):
    path = tmp_path / "app.py"
    path.write_text(
        "def begin(self):\n    work = self.flush()\n    asyncio.ensure_future(coro_or_future=work)\n"
    )
    assert find_task_start(str(path), "flush") == 3


def test_a_cached_function_is_located_where_it_makes_its_result(tmp_path):
    path = tmp_path / "app.py"
    path.write_text("import functools\n@functools.cache\ndef pool():\n    return connect()\n")
    assert find_assignment(str(path), ("pool",)) == 4


def test_an_object_without_a_line_is_located_where_its_owner_is_made(file):
    (one,) = locate_leftovers([make_answer(file, "primitive", "lock", None)], 1)
    assert one.created_at == one.kept_at == "app.py:4"


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("    pool = connect()\n    kept.append(pool)\n", 3),
        ("    kept[1] = connect()\n", 3),
        ("    return kept.setdefault(1, connect())\n", 3),
        ("    kept[1] = None\n", None),
        ("    other.append(connect())\n", None),
    ],
)
def test_the_line_that_makes_what_is_put_into_a_container(tmp_path, body, line):
    path = tmp_path / "app.py"
    path.write_text(f"kept = make()\ndef handler(event, context):\n{body}")
    assert find_insertion(str(path), ("kept",)) == line


def test_a_task_that_waits_is_located_where_it_is_started(file):
    coroutine = {"file": file, "shown": "app.py", "names": ["flush"]}
    assert add_task_starts(
        {"a task of flush, from app.py:29": 3, "another": 1}, {"a task of flush, from app.py:29": coroutine}
    ) == {"a task of flush, from app.py:29, started at app.py:18": 3, "another": 1}


@pytest.mark.parametrize("made", ["{}", "dict()", "defaultdict(list)"])
def test_what_a_dictionary_keeps_is_located_where_it_is_put_there(tmp_path, made):
    path = tmp_path / "app.py"
    path.write_text(
        f"clients = {made}\n\ndef get():\n    clients['api'] = Client()\n    return clients['api']\n"
    )
    answer = make_answer(str(path), "transport", "clients", "app.py:5") | {
        "owner": "app.clients.api._connection"
    }
    (one,) = locate_leftovers([answer], 1)
    assert one.kept_at == "app.py:4"
