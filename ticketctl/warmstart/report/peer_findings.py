"""Findings about environments that are invoked at the same time and share /tmp, as on Lambda Managed Instances."""

from collections.abc import Iterator, Sequence

from ticketctl.warmstart.report.model import Finding, InvocationOutcome
from ticketctl.warmstart.runner.session_data import Session

MOST_PATHS = 5
"""Paths that the finding lists."""
SHARED_FIX = "Give each process files of its own: tempfile.mkstemp(), or a name with os.getpid() or the request id in it."


def find_shared_files(sessions: Sequence[Session]) -> Iterator[Finding]:
    """Yield a finding about the files below /tmp that several environments have written."""
    lines: dict[str, str | None] = {}
    seen: set[str] = set()
    for session in sessions:
        for path, line in session.tmp_writes.items():
            if path in seen:
                lines[path] = line
            seen.add(path)
    if lines:
        shown = [f"{path} ({line})" if line else path for path, line in list(lines.items())[:MOST_PATHS]]
        more = f", and {len(lines) - MOST_PATHS} more" if len(lines) > MOST_PATHS else ""
        yield Finding(
            kind="shared-file",
            cause=f"Environments that run at the same time on one instance share /tmp, and {len(sessions)} of them wrote the same "
            f"files: {', '.join(shown)}{more}.",
            fix=SHARED_FIX,
        )


def find_peer_failures(peers: Sequence[Session]) -> Iterator[Finding]:
    """Yield a finding where an environment failed that was invoked at the same time as the reported one."""
    failed = [
        result
        for peer in peers
        for result in peer.results
        if result.invocation.outcome is not InvocationOutcome.OK
    ]
    if failed:
        first = failed[0]
        at = f", at {first.raised_at}" if first.raised_at else ""
        yield Finding(
            kind="concurrency",
            cause=f"{len(failed)} invocations failed in environments that ran at the same time: invocation "
            f"{first.invocation.number} with {first.invocation.error_type}: {first.invocation.error}{at}.",
            fix=f"Find what they share: files below /tmp, a port, a lock or rows of a database. {SHARED_FIX}",
        )
