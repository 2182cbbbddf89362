"""Check a taxonomy for contradictions between its parts; the schema has checked each part already."""

from collections.abc import Iterator, Sequence

from ticketctl.ai import reply_templates
from ticketctl.ai.regex_safety import find_regex_problem
from ticketctl.ai.taxonomy.schema import BUILT_IN_KINDS, NO_CATEGORY, SENTIMENTS, Conditions, Taxonomy
from ticketctl.tickets.models import TICKET_KIND


def list_field_values(taxonomy: Taxonomy) -> dict[str, Sequence[str]]:
    """Return the values that each field of a ticket with a fixed set of values can have."""
    return {
        "category": [category.name for category in taxonomy.categories],
        "priority": [priority.name for priority in taxonomy.priorities],
        "sentiment": SENTIMENTS,
        "team": [team.name for team in taxonomy.teams],
    }


def find_problems(taxonomy: Taxonomy) -> Iterator[tuple[str, str]]:
    """Yield each contradiction as the path of a key, such as "routes[2].team", and what is wrong with it."""
    yield from _check_unique("categories", [category.name for category in taxonomy.categories])
    yield from _check_unique("priorities", [priority.name for priority in taxonomy.priorities])
    yield from _check_unique("teams", [team.name for team in taxonomy.teams])
    yield from _check_unique("routes", [rule.name for rule in taxonomy.routes if rule.name])
    yield from _check_unique("kinds", [kind.name for kind in taxonomy.kinds])
    yield from _check_unique("identifiers", [identifier.kind for identifier in taxonomy.identifiers])
    yield from _check_names(taxonomy)
    yield from _check_kinds(taxonomy)
    yield from _check_routes(taxonomy)
    yield from _check_patterns(taxonomy)
    yield from _check_templates(taxonomy)


def _check_names(taxonomy: Taxonomy) -> Iterator[tuple[str, str]]:
    known = {"priority": [p.name for p in taxonomy.priorities], "team": [t.name for t in taxonomy.teams]}
    for field, names in known.items():
        chosen = getattr(taxonomy, f"default_{field}")
        if chosen not in names:
            yield f"default_{field}", _unknown_name(field, chosen, names)
    for number, category in enumerate(taxonomy.categories):
        if category.name == NO_CATEGORY:
            yield (
                f"categories[{number}].name",
                f"{NO_CATEGORY!r} is reserved for tickets that fit no category",
            )
        for part in ("cues", "negatable"):
            if not all(any(map(str.isalnum, phrase)) for phrase in getattr(category, part)):
                yield f"categories[{number}].{part}", "a phrase without a letter or a digit"
        if category.priority and category.priority not in known["priority"]:
            yield (
                f"categories[{number}].priority",
                _unknown_name("priority", category.priority, known["priority"]),
            )


def _check_kinds(taxonomy: Taxonomy) -> Iterator[tuple[str, str]]:
    names = [category.name for category in taxonomy.categories]
    for number, kind in enumerate(taxonomy.kinds):
        if kind.name == TICKET_KIND:
            yield f"kinds[{number}].name", f"{TICKET_KIND!r} is the kind of every other message"
        if kind.category is not None and kind.category not in names:
            yield f"kinds[{number}].category", _unknown_name("category", kind.category, names)
        phrases = (*kind.subjects, *kind.phrases, *kind.cues)
        if not all(any(map(str.isalnum, phrase)) for phrase in phrases) or "" in kind.unless:
            yield f"kinds[{number}]", "a phrase without a letter or a digit fits every message"


def _check_routes(taxonomy: Taxonomy) -> Iterator[tuple[str, str]]:
    known = list_field_values(taxonomy)
    teams = known.pop("team")
    for number, rule in enumerate(taxonomy.routes):
        if rule.team not in teams:
            yield f"routes[{number}].team", _unknown_name("team", rule.team, teams)
        for field, names in known.items():
            for name in getattr(rule.when, field):
                if name not in names:
                    yield f"routes[{number}].when.{field}", _unknown_name(field, name, names)
        for kind in rule.when.entities.keys() - taxonomy.entity_kinds():
            yield (
                f"routes[{number}].when.entities",
                _unknown_name("kind", kind, sorted(taxonomy.entity_kinds())),
            )
        lowest, below = rule.when.confidence_from, rule.when.confidence_below
        if lowest is not None and below is not None and lowest >= below:
            yield f"routes[{number}].when", f"no confidence is both below {below:g} and at least {lowest:g}"
        if rule.when == Conditions() and number + 1 < len(taxonomy.routes):
            yield f"routes[{number}].when", "this rule has no condition, so the rules after it never match"


def _check_patterns(taxonomy: Taxonomy) -> Iterator[tuple[str, str]]:
    for number, identifier in enumerate(taxonomy.identifiers):
        yield from _check_pattern(f"identifiers[{number}].pattern", identifier.pattern)
        if identifier.kind in BUILT_IN_KINDS:
            yield f"identifiers[{number}].kind", f"{identifier.kind!r} is a built-in kind"
    for number, rule in enumerate(taxonomy.routes):
        for kind, pattern in rule.when.entities.items():
            yield from _check_pattern(f"routes[{number}].when.entities.{kind}", pattern)


def _check_templates(taxonomy: Taxonomy) -> Iterator[tuple[str, str]]:
    templates = {"reply.default": taxonomy.reply.default}
    templates |= {f"reply.defaults.{language}": text for language, text in taxonomy.reply.defaults.items()}
    for number, category in enumerate(taxonomy.categories):
        templates[f"categories[{number}].reply"] = category.reply
        for language, template in category.replies.items():
            templates[f"categories[{number}].replies.{language}"] = template
    for path, template in templates.items():
        for problem in reply_templates.find_template_problems(template, taxonomy.entity_kinds()):
            yield path, problem


def _check_unique(path: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name in seen:
            yield f"{path}[{number}]", f"{name!r} occurs twice"
        seen.add(name)


def _unknown_name(noun: str, name: str, known: Sequence[str]) -> str:
    return f"there is no {noun} {name!r}; known: {', '.join(known)}"


def _check_pattern(path: str, pattern: str) -> Iterator[tuple[str, str]]:
    problem = find_regex_problem(pattern)
    if problem is not None:
        yield path, problem
