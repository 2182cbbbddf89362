"""Threads that an invocation starts and does not wait for."""

import pytest

HEAD = "import os, threading\ndef write(event): ...\n"
HANDLER = "def handler(event, context):\n"

LOST = {
    "a thread that is started at once": HANDLER
    + "    threading.Thread(target=write, args=(event,)).start()\n",
    "a daemon thread in a variable": HANDLER
    + "    thread = threading.Thread(target=write)\n    thread.daemon = True\n    thread.start()\n    return {}\n",
    "a thread in a function that the handler calls": "def notify(event):\n"
    "    threading.Thread(target=write, args=(event,), daemon=True).start()\n"
    + HANDLER
    + "    notify(event)\n",
    "a thread of a route behind Mangum": "from fastapi import FastAPI\nfrom mangum import Mangum\napp = FastAPI()\n"
    "@app.post('/')\ndef order(event: dict):\n    threading.Thread(target=write, args=(event,)).start()\n"
    "handler = Mangum(app)\n",
    "a function that joins strings and paths": HANDLER
    + "    name = os.path.join('a', ', '.join(event))\n    threading.Thread(target=write, args=(name,)).start()\n",
}
LOST |= {
    "a thread that is kept, and that no code joins": "threads = {}\n"
    + HANDLER
    + "    thread = threading.Thread(target=write)\n    thread.start()\n    threads[event['id']] = thread\n",
    "a thread for Lambda only": "def in_lambda(): ...\n"
    + HANDLER
    + "    if in_lambda():\n        threading.Thread(target=write).start()\n    else:\n        write(event)\n",
}
SOUND = {
    "a thread that is kept, and that another function joins": "threads = []\n"
    + HANDLER
    + "    thread = threading.Thread(target=write)\n    thread.start()\n    threads.append(thread)\n    finish()\n"
    "def finish():\n    while threads:\n        threads.pop().join(timeout=5)\n",
    "a thread where Lambda is not": "IN_LAMBDA = 'X' in os.environ\n"
    + HANDLER
    + "    if not IN_LAMBDA:\n        threading.Thread(target=write).start()\n",
    "a thread that is joined": HANDLER
    + "    thread = threading.Thread(target=write)\n    thread.start()\n    thread.join()\n",
    "threads in a list": HANDLER
    + "    threads = [threading.Thread(target=write) for _ in event]\n    for one in threads:\n        one.start()\n"
    "    for one in threads:\n        one.join()\n",
    "a thread that is waited for through an event": HANDLER
    + "    done = threading.Event()\n    threading.Thread(target=write, args=(done,)).start()\n    done.wait()\n",
    "a thread that is returned": "def begin():\n    thread = threading.Thread(target=write)\n    thread.start()\n"
    "    return thread\n" + HANDLER + "    begin().join()\n",
    "a thread at import": "threading.Thread(target=write, daemon=True).start()\n"
    + HANDLER
    + "    return {}\n",
    "a thread that is started once": "started = False\ndef begin():\n    global started\n    if started:\n"
    "        return\n    started = True\n    threading.Thread(target=write, daemon=True).start()\n"
    + HANDLER
    + "    begin()\n",
    "a thread for other places than Lambda": HANDLER
    + "    if 'AWS_LAMBDA_FUNCTION_NAME' not in os.environ:\n        threading.Thread(target=write).start()\n",
    "a thread of a program": HANDLER
    + "    return {}\ndef main():\n    threading.Thread(target=write).start()\n"
    "if __name__ == '__main__':\n    main()\n",
}


@pytest.mark.parametrize("source", LOST.values(), ids=LOST.keys())
def test_a_lost_thread_is_found(check, source):
    assert [rule for _, rule in check({"app.py": HEAD + source})] == ["lost-thread"]


@pytest.mark.parametrize("source", SOUND.values(), ids=SOUND.keys())
def test_a_thread_that_is_waited_for_or_runs_once_is_sound(check, source):
    assert check({"app.py": HEAD + source}) == []
