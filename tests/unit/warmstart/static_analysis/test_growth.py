"""Containers of the process to which each invocation adds an entry that no code removes."""

import pytest

from ticketctl.warmstart.static_analysis.analyzer import analyze

RULE = "grows-each-invocation"
UUID = "import uuid\nruns = {}\n"
ROUTE = "from fastapi import FastAPI\nfrom mangum import Mangum\nimport uuid\napp = FastAPI()\nhandler = Mangum(app)\n"
HISTORY = "from collections import defaultdict\nhistory = defaultdict(list)\n"
STORE = "import uuid\nclass Store:\n    def __init__(self):\n        self.rows = []\n        self.index = {}\n        self.count = 0\n"

FAULTS = {
    "a list of the module": (
        {"app.py": "log = []\ndef handler(event, context):\n    log.append(event)\n"},
        "app.py:3",
    ),
    "a list of another module": (
        {
            "app.py": "import state\ndef handler(event, context):\n    state.log.append(event)\n",
            "state.py": "log: list[dict] = []\n",
        },
        "app.py:3",
    ),
    "an imported name": (
        {
            "app.py": "from state import log\ndef handler(event, context):\n    log.extend(event['Records'])\n",
            "state.py": "log = list()\n",
        },
        "app.py:3",
    ),
    "addition in place": (
        {"app.py": "log = []\ndef handler(event, context):\n    global log\n    log += [event]\n"},
        "app.py:4",
    ),
    "a queue without a maximum": (
        {
            "app.py": "from collections import deque\nlog = deque()\ndef handler(event, context):\n    log.append(event)\n"
        },
        "app.py:4",
    ),
    "a list that is made on first use": (
        {
            "app.py": "log = None\ndef get_log():\n    global log\n    if log is None:\n        log = []\n    return log\n"
            "def handler(event, context):\n    get_log().append(event)\n"
        },
        "app.py:8",
    ),
    "a list that is made where it is empty": (
        {
            "app.py": "log = None\ndef handler(event, context):\n    global log\n    log = log or []\n    log.append(event)\n"
        },
        "app.py:5",
    ),
    "an attribute that is made on first use": (
        {
            "app.py": "class Store:\n    def add(self, row):\n        if not hasattr(self, 'rows'):\n            self.rows = []\n"
            "        self.rows.append(row)\nstore = Store()\ndef handler(event, context):\n    store.add(event)\n"
        },
        "app.py:5",
    ),
    "a class that keeps its only instance": (
        {
            "app.py": "class Store:\n    only = None\n    def __new__(cls):\n        if cls.only is None:\n"
            "            cls.only = super().__new__(cls)\n            cls.only.rows = []\n        return cls.only\n"
            "    def add(self, row):\n        self.rows.append(row)\ndef handler(event, context):\n    Store().add(event)\n"
        },
        "app.py:9",
    ),
    "an object whose id is counted": (
        {
            "app.py": "class Store:\n    def __init__(self):\n        self.rows = {}\n        self.last = 0\n    def add(self, name):\n"
            "        row = Row(id=self.last, name=name)\n        self.rows[row.id] = row\n        self.last += 1\n"
            "store = Store()\ndef handler(event, context):\n    store.add(event['name'])\n"
        },
        "app.py:7",
    ),
    "a dictionary with its own id": (
        {
            "app.py": UUID
            + "def handler(event, context):\n    run = {'id': f'run-{uuid.uuid4()}', 'event': event}\n    runs[run['id']] = run\n"
        },
        "app.py:5",
    ),
    "a name that a comprehension has, too": (
        {
            "app.py": UUID
            + "def handler(event, context):\n    if [key for key in runs if runs[key] == 'running']:\n"
            "        raise RuntimeError('wait')\n    key = uuid.uuid4()\n    runs[key] = 'running'\n"
        },
        "app.py:7",
    ),
    "the id of the request": (
        {"app.py": "runs = {}\ndef handler(event, context):\n    runs[context.aws_request_id] = event\n"},
        "app.py:3",
    ),
    "a UUID in a variable": (
        {
            "app.py": UUID
            + "def handler(event, context):\n    run_id = str(uuid.uuid4())\n    runs[run_id] = event\n"
        },
        "app.py:5",
    ),
    "a UUID in a route": (
        {
            "app.py": ROUTE
            + "runs = {}\n@app.post('/')\nasync def start():\n    key = uuid.uuid4().hex\n    runs[key] = {}\n"
        },
        "app.py:10",
    ),
    "a function that makes the key": (
        {
            "app.py": UUID + "def make_key(kind):\n    return f'{kind}-{uuid.uuid4()}'\n"
            "def handler(event, context):\n    runs.setdefault(make_key('run'), event)\n"
        },
        "app.py:6",
    ),
    "a key that a caller passes": (
        {
            "app.py": UUID + "def save(key, value):\n    runs.update({key: value})\n"
            "def handler(event, context):\n    save(str(uuid.uuid4()), event)\n"
        },
        "app.py:4",
    ),
    "the time": (
        {
            "app.py": "from datetime import datetime\nseen = set()\ndef handler(event, context):\n"
            "    seen.add(datetime.now().isoformat())\n"
        },
        "app.py:4",
    ),
    "messages that are seen once": (
        {
            "app.py": "seen = set()\ndef handler(event, context):\n    for record in event['Records']:\n"
            "        key = record['messageId']\n        if key in seen:\n            continue\n        seen.add(key)\n"
        },
        "app.py:7",
    ),
    "a counter": (
        {
            "app.py": "count = 0\nruns = {}\ndef handler(event, context):\n    global count\n    count += 1\n"
            "    runs[count] = event\n"
        },
        "app.py:6",
    ),
    "the length": (
        {"app.py": "runs = {}\ndef handler(event, context):\n    runs[len(runs)] = event\n"},
        "app.py:3",
    ),
    "a list for each user": (
        {"app.py": HISTORY + "def handler(event, context):\n    history[event['user']].append(event)\n"},
        "app.py:4",
    ),
    "a list for each user, the first one made": (
        {
            "app.py": "history = {}\ndef handler(event, context):\n    user = event['user']\n    if user not in history:\n"
            "        history[user] = []\n    history[user].append(event)\n"
        },
        "app.py:6",
    ),
    "a variable for a list of a dictionary": (
        {
            "app.py": "history = {}\ndef handler(event, context):\n    past = history.setdefault(event['user'], [])\n"
            "    past.append(event)\n"
        },
        "app.py:4",
    ),
    "an argument": (
        {
            "app.py": "log = []\ndef note(rows, one):\n    rows.append(one)\ndef handler(event, context):\n    note(log, event)\n"
        },
        "app.py:3",
    ),
    "a default argument": (
        {
            "app.py": "def note(one, rows=[]):\n    rows.append(one)\n    return rows\ndef handler(event, context):\n    note(event)\n"
        },
        "app.py:2",
    ),
    "an attribute of a class": (
        {
            "app.py": "class Log:\n    rows = []\n    def note(self, one):\n        self.rows.append(one)\n"
            "def handler(event, context):\n    Log().note(event)\n"
        },
        "app.py:4",
    ),
    "an object that is kept": (
        {
            "app.py": STORE + "    def note(self, one):\n        self.rows.append(one)\nstore = Store()\n"
            "def handler(event, context):\n    store.note(event)\n"
        },
        "app.py:8",
    ),
    "an attribute from outside": (
        {
            "app.py": STORE
            + "store = Store()\ndef handler(event, context):\n    store.index[uuid.uuid4()] = event\n"
        },
        "app.py:9",
    ),
    "an object that a function makes once": (
        {
            "app.py": STORE
            + "    def note(self, one):\n        self.rows.append(one)\nstore = None\ndef get():\n"
            "    global store\n    if store is None:\n        store = Store()\n    return store\n"
            "def handler(event, context):\n    get().note(event)\n"
        },
        "app.py:8",
    ),
    "a counter of an object": (
        {
            "app.py": STORE
            + "    def note(self, one):\n        self.count += 1\n        self.index[self.count] = one\n"
            "store = Store()\ndef handler(event, context):\n    store.note(event)\n"
        },
        "app.py:9",
    ),
    "the path of imports": (
        {"app.py": "import sys\ndef handler(event, context):\n    sys.path.insert(0, '/opt')\n"},
        "app.py:3",
    ),
    "removal from another container": (
        {
            "app.py": "log, other = [], []\nlog = []\ndef handler(event, context):\n    log.append(event)\n"
            "    rows = list(log)\n    rows.pop()\n    event.pop('a')\n"
        },
        "app.py:4",
    ),
}

HANDLER = "def handler(event, context):\n"
SOUND = {
    "a list of the invocation": HANDLER + "    log = []\n    log.append(event)\n",
    "a batch that begins anew when it is full": "batch = None\n"
    + HANDLER
    + "    global batch\n    if batch is None:\n        batch = []\n    batch.append(event)\n"
    "    if len(batch) > 9:\n        batch = None\n",
    "an attribute of an object of the invocation": "class Batch:\n    rows = None\n    def add(self, row):\n"
    "        if self.rows is None:\n            self.rows = []\n        self.rows.append(row)\n"
    + HANDLER
    + "    Batch().add(event)\n",
    "a single instance that is set up anew": "class Store:\n    only = None\n    def __new__(cls):\n"
    "        if cls.only is None:\n            cls.only = super().__new__(cls)\n        return cls.only\n"
    "    def __init__(self):\n        self.rows = []\n    def add(self, row):\n        self.rows.append(row)\n"
    + HANDLER
    + "    Store().add(event)\n",
    "an object whose id the event brings": "rows = {}\n"
    + HANDLER
    + "    row = Row(id=event['id'])\n    rows[row.id] = row\n",
    "an argument that is new": "def note(rows, one):\n    rows.append(one)\n" + HANDLER + "    note([], event)\n",
    "a cache by the data of the event": "cache = {}\n" + HANDLER + "    cache[event['user']] = event\n",
    "a cache by a setting": "import os\ncache = {}\n" + HANDLER + "    cache[os.environ['BUCKET']] = event\n",
    "a path of the event as key": "cache = {}\n"
    + HANDLER
    + "    key = f\"{event['path']}:{context.function_name}\"\n    cache[key] = event\n",
    "a key that the event may bring": UUID + HANDLER + "    runs[event.get('id') or str(uuid.uuid4())] = event\n",
    "a key by the day": "from datetime import datetime\nruns = {}\n"
    + HANDLER
    + "    runs[datetime.now().strftime('%Y-%m-%d')] = 1\n    runs[f'{datetime.now():%Y-%m}'] = 1\n"
    "    runs[datetime.now().date()] = 1\n",
    "a key by the hour": "import time\nruns = {}\n" + HANDLER + "    runs[int(time.time() // 3600)] = 1\n",
    "a value that is new under an old key": UUID + HANDLER + "    runs['last'] = uuid.uuid4()\n",
    "values that are seen once": "seen = []\n"
    + HANDLER
    + "    if event['kind'] not in seen:\n        seen.append(event['kind'])\n",
    "removal with del": UUID
    + HANDLER
    + "    key = uuid.uuid4()\n    runs[key] = event\n    try:\n        work()\n    finally:\n        del runs[key]\n",
    "removal with pop": UUID + HANDLER + "    key = uuid.uuid4()\n    runs[key] = event\n    runs.pop(key, None)\n",
    "removal in another function": "log = []\ndef flush():\n    log.clear()\n"
    + HANDLER
    + "    log.append(event)\n    flush()\n",
    "removal through an argument": "log = []\ndef flush(rows):\n    rows.clear()\n"
    + HANDLER
    + "    log.append(event)\n    flush(log)\n",
    "removal through a variable": HISTORY
    + HANDLER
    + "    rows = history[event['user']]\n    rows.append(event)\n    while rows[0] < 1:\n        rows.pop(0)\n",
    "removal through a loop": HISTORY
    + HANDLER
    + "    history[event['user']].append(event)\n    for rows in history.values():\n        rows.clear()\n",
    "removal as a callback": "import asyncio\ntasks = []\n"
    + HANDLER
    + "    task = make()\n    tasks.append(task)\n    task.add_done_callback(tasks.remove)\n",
    "a new list in its place": "log = []\n" + HANDLER + "    global log\n    log = []\n    log.append(event)\n",
    "the end of a list": "log = []\n" + HANDLER + "    global log\n    log.append(event)\n    log = log[-10:]\n",
    "a slice": "log = []\n" + HANDLER + "    log.append(event)\n    log[:] = log[-10:]\n",
    "items that are filtered": HISTORY
    + HANDLER
    + "    user = event['user']\n    history[user] = [one for one in history[user] if one > 1]\n"
    "    history[user].append(1)\n",
    "a limit": "log = []\n" + HANDLER + "    if len(log) < 100:\n        log.append(event)\n",
    "a maximum length": "from collections import deque\nlog = deque(maxlen=10)\n" + HANDLER + "    log.append(event)\n",
    "queues with a maximum length": "from collections import defaultdict, deque\n"
    "logs = defaultdict(lambda: deque(maxlen=10))\n" + HANDLER + "    logs[event['user']].append(event)\n",
    "the first time only": "log = []\ndone = False\n"
    + HANDLER
    + "    global done\n    if done:\n        return\n    done = True\n    log.append(event)\n",
    "a function that is cached": "import functools\nlog = []\n@functools.cache\ndef load():\n    log.append(1)\n"
    + HANDLER
    + "    load()\n",
    "a registry of the import": "registry = []\ndef register(one):\n    registry.append(one)\n    return one\n"
    "register(1)\n" + HANDLER + "    return list(registry)\n",
    "an object of the invocation": STORE
    + "    def note(self, one):\n        self.rows.append(one)\ndefault = Store()\n"
    + HANDLER
    + "    store = Store()\n    store.note(event)\n",
    "an object that is emptied": STORE
    + "    def note(self, one):\n        self.rows.append(one)\n    def start(self):\n        self.rows = []\nstore = Store()\n"
    + HANDLER
    + "    store.start()\n    store.note(event)\n",
    "a class whose instances have copies": "from pydantic import BaseModel\nclass Log(BaseModel):\n    rows: list = []\n"
    "    def note(self, one):\n        self.rows.append(one)\n" + HANDLER + "    Log().note(event)\n",
    "a default argument that is passed": "def note(one, rows=[]):\n    rows.append(one)\n"
    + HANDLER
    + "    note(event, [])\n",
    "a store for development": STORE
    + "    def note(self, one):\n        self.rows.append(one)\nclass InMemoryStore:\n    def __init__(self):\n        self.log = []\n"
    "    def write(self, one):\n        self.log.append(one)\nstore = InMemoryStore()\n" + HANDLER + "    store.write(event)\n",
    "an error": "log = []\n" + HANDLER + "    try:\n        work()\n    except ValueError as error:\n        log.append(error)\n",
    "a script": "log = []\ndef main():\n    log.append(1)\n" + HANDLER + "    pass\nif __name__ == '__main__':\n    main()\n",
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_finds_what_each_invocation_adds(check, name):
    files, place = FAULTS[name]

    assert check(files) == [(place, RULE)]


@pytest.mark.parametrize("name", SOUND)
def test_accepts_what_comes_to_an_end(check, name):
    assert check({"app.py": SOUND[name]}) == []


@pytest.mark.parametrize(
    ("condition", "breaks"),
    [("", True), ("    if event.get('keep'):\n    ", False)],
    ids=["always", "sometimes"],
)
def test_a_condition_makes_it_a_risk(write, condition, breaks):
    folder = write({"app.py": f"log = []\n{HANDLER}{condition}    log.append(event)\n"})

    (finding,) = analyze(folder, version=lambda _: None).findings

    assert finding.breaks is breaks
    assert "log, a list that lives as long as the process" in finding.cause


RESET = "log = []\ndef reset():\n    log.clear()\n"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (RESET + "@app.post('/reset')\ndef reset_log():\n    reset()\n", [False]),
        (RESET + "@app.on_event('startup')\ndef reset_log():\n    reset()\n", []),
        (RESET + "@app.post('/send')\ndef send():\n    reset()\n", []),
    ],
    ids=["on request", "when the application starts", "as part of the work"],
)
def test_a_container_that_is_emptied_only_on_request_is_a_risk(write, source, found):
    route = ROUTE + source + "@app.post('/')\ndef add(event: dict):\n    log.append(event)\n"
    findings = analyze(write({"app.py": route}), version=lambda _: None).findings
    assert [one.breaks for one in findings if one.rule == RULE] == found
