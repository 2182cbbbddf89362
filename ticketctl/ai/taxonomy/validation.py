"""What does not fit together in a taxonomy whose parts are each well-formed."""

import re
from collections.abc import Iterator, Sequence

from ticketctl.ai import reply_templates
from ticketctl.ai.taxonomy.schema import BUILT_IN_KINDS, NO_CATEGORY, SENTIMENTS, Conditions, Taxonomy


def find_problems(taxonomy: Taxonomy) -> Iterator[tuple[str, str]]:
    """What does not fit together: the place ("routes[2].team") and what is wrong there."""
    yield from _repeated("categories", [category.name for category in taxonomy.categories])
    yield from _repeated("priorities", [priority.name for priority in taxonomy.priorities])
    yield from _repeated("teams", [team.name for team in taxonomy.teams])
    yield from _repeated("routes", [rule.name for rule in taxonomy.routes if rule.name])
    yield from _repeated("identifiers", [identifier.kind for identifier in taxonomy.identifiers])
    yield from _bad_names(taxonomy)
    yield from _bad_routes(taxonomy)
    yield from _bad_patterns(taxonomy)
    yield from _bad_templates(taxonomy)


def _bad_names(taxonomy: Taxonomy) -> Iterator[tuple[str, str]]:
    known = {"priority": [p.name for p in taxonomy.priorities], "team": [t.name for t in taxonomy.teams]}
    for field, names in known.items():
        chosen = getattr(taxonomy, f"default_{field}")
        if chosen not in names:
            yield f"default_{field}", _unknown(field, chosen, names)
    for number, category in enumerate(taxonomy.categories):
        if category.name == NO_CATEGORY:
            yield (
                f"categories[{number}].name",
                f"{NO_CATEGORY!r} is what models answer where no category fits",
            )
        if category.priority and category.priority not in known["priority"]:
            yield (
                f"categories[{number}].priority",
                _unknown("priority", category.priority, known["priority"]),
            )


def _bad_routes(taxonomy: Taxonomy) -> Iterator[tuple[str, str]]:
    teams = [team.name for team in taxonomy.teams]
    known = {
        "category": [category.name for category in taxonomy.categories],
        "priority": [priority.name for priority in taxonomy.priorities],
        "sentiment": list(SENTIMENTS),
    }
    for number, rule in enumerate(taxonomy.routes):
        if rule.team not in teams:
            yield f"routes[{number}].team", _unknown("team", rule.team, teams)
        for field, names in known.items():
            for name in getattr(rule.when, field):
                if name not in names:
                    yield f"routes[{number}].when.{field}", _unknown(field, name, names)
        for kind in rule.when.entities.keys() - taxonomy.entity_kinds():
            yield f"routes[{number}].when.entities", _unknown("kind", kind, sorted(taxonomy.entity_kinds()))
        lowest, end = rule.when.confidence_from, rule.when.confidence_below
        if lowest is not None and end is not None and lowest >= end:
            yield f"routes[{number}].when", f"no confidence is below {end:g} and at least {lowest:g}"
        if rule.when == Conditions() and number + 1 < len(taxonomy.routes):
            yield f"routes[{number}].when", "has no condition, so that no rule after it can ever match"


def _bad_patterns(taxonomy: Taxonomy) -> Iterator[tuple[str, str]]:
    for number, identifier in enumerate(taxonomy.identifiers):
        yield from _unreadable(f"identifiers[{number}].pattern", identifier.pattern)
        if identifier.kind in BUILT_IN_KINDS:
            yield f"identifiers[{number}].kind", f"{identifier.kind!r} is found already"
    for number, rule in enumerate(taxonomy.routes):
        for kind, pattern in rule.when.entities.items():
            yield from _unreadable(f"routes[{number}].when.entities.{kind}", pattern)


def _bad_templates(taxonomy: Taxonomy) -> Iterator[tuple[str, str]]:
    templates = {"reply.default": taxonomy.reply.default}
    for number, category in enumerate(taxonomy.categories):
        templates[f"categories[{number}].reply"] = category.reply
        for language, template in category.replies.items():
            templates[f"categories[{number}].replies.{language}"] = template
    for place, template in templates.items():
        for problem in reply_templates.find_template_problems(template, taxonomy.entity_kinds()):
            yield place, problem


def _repeated(place: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for number, name in enumerate(names):
        if name in names[:number]:
            yield f"{place}[{number}]", f"{name!r} stands there twice"


def _unknown(what: str, name: str, known: Sequence[str]) -> str:
    return f"there is no {what} {name!r}: there are {', '.join(known)}"


def _unreadable(place: str, pattern: str) -> Iterator[tuple[str, str]]:
    try:
        re.compile(pattern)
    except re.error as error:
        yield place, f"no regular expression: {error}"
