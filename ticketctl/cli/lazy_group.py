"""The top-level command group: it imports a command's module when the command runs, not before."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer._click.shell_completion import CompletionItem
from typer.core import TyperGroup
from typer.main import get_group

from ticketctl.cli import parameters
from ticketctl.cli.command_index import COMMANDS, GROUPS

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter


class CommandGroup(TyperGroup):
    """A group below the top level; its help shows the whole first line of each command."""

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """Write the commands with their summaries; Typer would cut them after some words."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, (one.help or "").partition("\n")[0]) for name, one in commands if one])


class LazyGroup(TyperGroup):
    """The commands of `command_index`, each loaded by its name."""

    def list_commands(self, ctx: "Context") -> list[str]:  # noqa: ARG002 - as Typer calls it
        """Return the names of the commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: "Context", cmd_name: str) -> Any:  # noqa: ARG002 - as Typer calls it
        """Import the module of a command and return the command, or None if there is no such command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        registered = typer.Typer(rich_markup_mode=None)
        registered.callback()(lambda: None)  # makes a group of it, even if the module has a single command
        import_module(f"ticketctl.cli.commands.{entry.module}").register(registered)
        command = get_group(registered).commands[cmd_name]
        parameters.adapt(command)
        return command

    def resolve_command(self, ctx: "Context", args: list[str]) -> Any:
        """Return name, command and remaining arguments. Raises UsageError, with the nearest names if any."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS)
            ctx.fail(
                f"there is no command {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else "")
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:  # noqa: ARG002 - as Typer calls it
        """Write the commands in their groups, all summaries in one column."""
        width = max(map(len, COMMANDS))
        for heading, entries in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), f"{one.summary}.") for name, one in entries.items()])

    def shell_complete(self, ctx: "Context", incomplete: str) -> list[CompletionItem]:
        """Return the commands, and after a dash the options, that begin with `incomplete`."""
        commands = [
            CompletionItem(name, help=entry.summary)
            for name, entry in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*commands, *super(TyperGroup, self).shell_complete(ctx, incomplete)]
