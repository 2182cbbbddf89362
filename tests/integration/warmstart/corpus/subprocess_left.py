"""A child process with a pipe, started by the first invocation and asked again by the next.

Measured: ok, then RuntimeError "attached to a different loop", for good.
"""

import asyncio

cat = None


async def work():
    global cat
    if cat is None:
        pipe = asyncio.subprocess.PIPE
        cat = await asyncio.create_subprocess_exec("cat", stdin=pipe, stdout=pipe)  # cause
    cat.stdin.write(b"line\n")
    return (await cat.stdout.readline()).decode()


def handler(_event, _context):
    return asyncio.run(work())
