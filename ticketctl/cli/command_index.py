"""The commands by group, as data, so that `ticketctl --help` imports no command."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Entry(NamedTuple):
    """A command: the module of `ticketctl.cli.commands` that registers it, and its line in the help.

    `summary` is the first line of the command's docstring, less its full stop: at most 54 characters fit into a
    terminal of 80 columns.
    """

    module: str
    summary: str


GROUPS: Mapping[str, Mapping[str, Entry]] = MappingProxyType(
    {
        "Tickets": {
            "create": Entry("tickets", "Create a ticket and queue it for processing"),
            "list": Entry("list", "List tickets, newest first"),
            "show": Entry("tickets", "Show a ticket with its steps, costs, attempts, notes"),
            "import": Entry("transfer", "Create tickets from CSV, JSON Lines or mail"),
            "export": Entry("transfer", "Write tickets as CSV or JSON Lines, oldest first"),
            "close": Entry("tickets", "Close tickets, so that no worker changes them"),
            "reopen": Entry("tickets", "Reopen closed tickets"),
        },
        "People": {
            "review": Entry("review", "Go through the tickets that need a review"),
            "approve": Entry("decisions", "Accept tickets as they are and end their review"),
            "reject": Entry("decisions", "Drop the draft replies of tickets, end their review"),
            "set": Entry("decisions", "Correct fields of tickets; no run overwrites them"),
            "replies": Entry("replies", "Write approved replies as mails; mark them as sent"),
            "assign": Entry("teamwork", "Say who takes care of tickets"),
            "tag": Entry("teamwork", "Add a tag to tickets, or remove it"),
            "note": Entry("teamwork", "Write a note on a ticket"),
            "history": Entry("teamwork", "Show every change of a ticket, and who made it"),
            "undo": Entry("undo", "Take back a person's last change, or a command"),
        },
        "Worker and queue": {
            "work": Entry("work", "Receive messages and process their tickets"),
            "retry": Entry("retry", "Queue failed or stuck tickets again"),
            "stats": Entry("stats", "Count tickets, and show what each step took and cost"),
            "dlq": Entry("dlq", "List, redrive and purge dead letters"),
            "outbox": Entry("dlq", "Count and send messages that the queue lacks"),
            "event": Entry("event", "Print an SQS event for tickets"),
            "process": Entry("process", "Run the worker on an SQS event, as Lambda does"),
        },
        "AI": {
            "route": Entry("route", "Show which team the routing rules choose, and why"),
            "train": Entry("train", "Train the offline engine on labelled texts"),
            "corrections": Entry("corrections", "Export what people decided, to learn from it"),
            "eval": Entry("eval", "Measure how well a provider classifies labelled texts"),
        },
        "Warm starts": {
            "simulate-warm-starts": Entry("simulate", "Test what warm starts do to a worker or handler"),
            "doctor": Entry("doctor", "Check code and settings for warm-start problems"),
        },
        "Set-up": {
            "db": Entry("db", "Migrate and back up the database; run the server"),
            "config": Entry("config", "Show the settings, and write a settings file"),
            "serve": Entry("serve", "Serve the HTTP API on this machine"),
            "deploy": Entry("deploy", "Plan an AWS stack; write its template and packages"),
        },
    }
)

COMMANDS: Mapping[str, Entry] = MappingProxyType(
    {name: entry for group in GROUPS.values() for name, entry in group.items()}
)
