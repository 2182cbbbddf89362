"""Temporary files that each invocation leaves behind."""

import pytest

from ticketctl.warmstart.static_analysis.analyzer import analyze

RULE = "temporary-file-kept"
IMPORTS = "import datetime, os, pathlib, shutil, subprocess, tempfile, uuid\n"
HANDLER = IMPORTS + "def handler(event, context):\n"

FAULTS = {
    "a UUID in the name": "    path = f'/tmp/{uuid.uuid4()}.pdf'\n    with open(path, 'wb') as file:\n        file.write(b'x')\n",
    "the time in the name": "    open('/tmp/' + str(datetime.datetime.now()), mode='a')\n",
    "a joined name": "    s3.download_file('b', 'k', os.path.join('/tmp', context.aws_request_id))\n",
    "a path object": "    pathlib.Path(f'/tmp/{uuid.uuid4().hex}').write_text('x')\n",
    "the folder for temporary files": "    open(os.path.join(tempfile.gettempdir(), uuid.uuid4().hex), 'x')\n",
    "a path that is divided": "    (pathlib.Path('/tmp') / uuid.uuid4().hex).write_bytes(b'x')\n",
    "a constant": "    open(f'{FOLDER}/{uuid.uuid4()}', 'w')\nFOLDER = '/tmp/reports'\n",
    "an attribute": "    Store().save()\nclass Store:\n    def __init__(self):\n        self.folder = pathlib.Path('/tmp/audio')\n"
    "    def save(self):\n        path = self.folder / f'{uuid.uuid4()}.mp3'\n        path.write_bytes(b'x')\n",
    "a temporary file that stays": "    tempfile.NamedTemporaryFile(suffix='.csv', delete=False)\n",
    "a temporary folder": "    folder = tempfile.mkdtemp()\n",
    "a function that is passed the name": "    write(f'/tmp/{uuid.uuid4()}')\ndef write(path):\n    open('/tmp/' + path, 'w')\n",
}
SOUND = {
    "the same name each time": "    open('/tmp/report.pdf', 'wb')\n",
    "a name that the event brings": "    open(f\"/tmp/{event['name']}\", 'wb')\n",
    "a file that is read": "    open(f'/tmp/{uuid.uuid4()}')\n",
    "another folder": "    open(f'/mnt/efs/{uuid.uuid4()}', 'w')\n",
    "a file that is removed": "    path = f'/tmp/{uuid.uuid4()}'\n    open(path, 'w')\n    os.remove(path)\n",
    "a folder that is removed": "    folder = tempfile.mkdtemp()\n    shutil.rmtree(folder)\n",
    "a file that is moved": "    path = f'/tmp/{uuid.uuid4()}'\n    open(path, 'w')\n    shutil.move(path, '/mnt/efs/report')\n",
    "a command that removes": "    folder = tempfile.mkdtemp()\n    subprocess.run(['rm', '-r', folder])\n",
    "a file that is removed when it is closed": "    tempfile.NamedTemporaryFile()\n",
    "a folder in a with statement": "    with tempfile.TemporaryDirectory() as folder:\n        open(folder + '/x', 'w')\n",
}


@pytest.fixture
def check(write):
    def checked(source):
        found = analyze(write({"app.py": source}), "app.handler", version=lambda _: None).findings
        return [one.rule for one in found]

    return checked


@pytest.mark.parametrize("body", FAULTS.values(), ids=FAULTS)
def test_a_file_that_each_invocation_leaves_is_found(check, body):
    assert check(HANDLER + body) == [RULE]


@pytest.mark.parametrize("body", SOUND.values(), ids=SOUND)
def test_a_file_that_does_not_accumulate_is_no_finding(check, body):
    assert check(HANDLER + body) == []


def test_what_only_the_import_writes_is_no_finding(check):
    assert (
        check(IMPORTS + "folder = tempfile.mkdtemp()\ndef handler(event, context):\n    return folder\n")
        == []
    )


def test_a_folder_that_is_made_once_is_no_finding(check):
    source = (
        IMPORTS + "folder = None\ndef handler(event, context):\n    global folder\n    if folder is None:\n"
    )
    assert check(source + "        folder = tempfile.mkdtemp()\n") == []
