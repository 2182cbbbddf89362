"""The inspection of a folder: which modules belong together, and what the rules say of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ticketctl.warmstart.static_analysis import facts, project, versions
from ticketctl.warmstart.static_analysis.facts import Facts
from ticketctl.warmstart.static_analysis.finding import SourceFinding
from ticketctl.warmstart.static_analysis.project import Module, Project, is_test
from ticketctl.warmstart.static_analysis.rules import RULES, Scene
from ticketctl.warmstart.static_analysis.versions import Versions


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was looked at, by file, and what was found, in the order of file and line."""

    files: Sequence[str]
    advice: Sequence[SourceFinding]


def inspect(folder: Path, handler: str | None = None, version: Versions | None = None) -> Analysis:
    """Look at what a handler's import brings in; without a handler, at everything that may be one's.

    Nothing of it is run. `version` tells installed versions; by default they are looked up.

    Raises:
        HandlerNotFoundError: The handler's module is not in the folder.
    """
    whole = project.read(folder)
    scenes = list(_scenes(whole, handler, version or versions.installed(folder)))
    looked_at = {one.module.file: one.module for scene in scenes for one in scene.modules}
    found = {advice for scene in scenes for rule in RULES for advice in rule(scene)}
    found |= {_unreadable(module) for module in looked_at.values() if module.tree is None}
    return Analysis(sorted(looked_at), _first_of_each(sorted(found)))


def _scenes(whole: Project, handler: str | None, version: Versions) -> Iterator[Scene]:
    every = {name: facts.of(module) for name, module in whole.modules.items()}
    roots = [whole.handler_module(handler)] if handler else _roots(every)
    for root in roots:
        yield Scene([every[module.name] for module in whole.reached(root)], version)


def _roots(every: dict[str, Facts]) -> list[Module]:
    """The modules that look like a Lambda handler's; where none does, all."""
    own = [one for one in every.values() if not is_test(one.module)]
    return [one.module for one in own if one.handlers or one.mangums] or [one.module for one in own]


def _unreadable(module: Module) -> SourceFinding:
    return SourceFinding(
        file=module.file,
        line=module.line,
        rule="unreadable",
        cause=f"The file cannot be read as Python: {module.problem}.",
        fix="Mend it, or run the doctor under the Python that the handler runs under.",
        breaks=False,
    )


def _first_of_each(found: Sequence[SourceFinding]) -> list[SourceFinding]:
    """Keep one advice for each place and rule: two handlers may come upon the same line."""
    return list({(one.file, one.line, one.rule): one for one in reversed(found)}.values())[::-1]
