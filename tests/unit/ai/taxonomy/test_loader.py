import msgspec
import pytest

from ticketctl.ai.taxonomy.loader import (
    DEFAULT,
    default_taxonomy,
    load_taxonomy_file,
    parse_taxonomy,
    taxonomy_from_labels,
)
from ticketctl.ai.taxonomy.schema import Conditions, RoutingRule, Taxonomy
from ticketctl.ai.taxonomy.validation import find_problems
from ticketctl.errors import ConfigError
from ticketctl.tickets.models import Classification, Entity, Extraction

SMALL = """
default_priority = "normal"
default_team = "desk"

[[categories]]
name = "tea"

[[categories]]
name = "coffee"
reply = "Coffee, {subject}"

[[priorities]]
name = "normal"

[[teams]]
name = "desk"

[[routes]]
team = "desk"
when = { category = ["tea"] }
"""


def classification(**changes):
    usual = {
        "category": "billing",
        "priority": "normal",
        "sentiment": "neutral",
        "language": "en",
        "confidence": 0.9,
        "method": "model",
    }
    return Classification(**{**usual, **changes})


def extraction(*entities):
    return Extraction(entities=tuple(Entity(kind=k, value=v, start=0, end=len(v)) for k, v in entities))


def with_routes(*rules):
    return msgspec.structs.replace(parse_taxonomy(SMALL, "x"), routes=rules)


def test_the_built_in_taxonomy_is_valid():
    assert list(find_problems(default_taxonomy())) == []
    assert all(category.examples and category.reply for category in default_taxonomy().categories)


@pytest.mark.parametrize(
    ("category", "team"),
    [
        ("security", "security"),
        ("refund", "billing"),
        ("bug", "technical"),
        ("how_to", "support"),
        (None, "support"),
    ],
)
def test_the_built_in_routes_choose_a_team(category, team):
    assert default_taxonomy().route(classification(category=category), extraction()).team == team


def test_the_first_rule_that_matches_wins_and_is_named():
    taxonomy = with_routes(
        RoutingRule(team="desk", name="never", when=Conditions(category=("tea",), confidence_from=0.95)),
        RoutingRule(team="desk", when=Conditions(category=("tea",))),
        RoutingRule(team="desk", name="late", when=Conditions()),
    )
    assert taxonomy.route(classification(category="tea"), extraction()).rule == "rule 2"


def test_explain_says_why_each_rule_did_not_match():
    taxonomy = with_routes(
        RoutingRule(team="desk", name="language", when=Conditions(language=("de", "fr"))),
        RoutingRule(team="desk", name="sure", when=Conditions(confidence_from=0.95)),
        RoutingRule(team="desk", name="unsure", when=Conditions(confidence_below=0.5)),
        RoutingRule(team="desk", name="order", when=Conditions(entities={"order_id": ""})),
        RoutingRule(team="desk", name="eu", when=Conditions(entities={"order_id": "^EU"})),
        RoutingRule(team="desk", name="mine", when=Conditions(sentiment=("neutral",), priority=("normal",))),
    )
    reasons = {
        rule.name: why
        for rule, why in taxonomy.explain(
            classification(), extraction(("email", "a@example.com"), ("order_id", "US-1"))
        )
    }
    assert reasons == {
        "language": "language is en, not de or fr",
        "sure": "confidence 0.90 is below 0.95",
        "unsure": "confidence 0.90 is not below 0.50",
        "order": None,
        "eu": "no order_id that matches '^EU'",
        "mine": None,
    }


def test_an_unknown_category_matches_no_category_condition():
    route = with_routes(RoutingRule(team="desk", when=Conditions(category=("tea",)))).route(
        classification(category=None), extraction()
    )
    assert (route.team, route.rule) == ("desk", "default")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('default_team = "desk"', 'default_team = "bar"', "line 3: default_team: there is no team 'bar'"),
        (
            'default_priority = "normal"',
            'default_priority = "low"',
            "line 2: default_priority: there is no priority",
        ),
        ('team = "desk"\nwhen', 'team = "bar"\nwhen', "line 19: routes[0].team: there is no team 'bar'"),
        ('["tea"]', '["milk"]', "line 20: routes[0].when.category: there is no category 'milk'"),
        (
            '["tea"]',
            '["tea"], entities = { order_id = "" }',
            "routes[0].when.entities: there is no kind 'order_id'",
        ),
        (
            '["tea"]',
            '["tea"], entities = { email = "(" }',
            "routes[0].when.entities.email: not a regular expression",
        ),
        (
            '["tea"]',
            '["tea"], confidence_below = 2',
            "line 20: routes[0].when.confidence_below: it must be a number of at most 1",
        ),
        (
            '["tea"]',
            '["tea"], weather = "fine"',
            "line 20: routes[0].when.weather: there is no such key",
        ),
        (
            '["tea"]',
            '["tea"], confidence_from = 0.9, confidence_below = 0.5',
            "line 20: routes[0].when: no confidence is both below 0.5 and at least 0.9",
        ),
        (
            'default_team = "desk"',
            'default_team = "desk"\n[thresholds]\n# how sure\ncategori = 0.5',
            "line 6: thresholds.categori: there is no such key",
        ),
        ('"coffee"', '"tea"', "line 8: categories[1]: 'tea' occurs twice"),
        ('"coffee"', '"none"', "line 9: categories[1].name: 'none' is reserved for tickets"),
        ('"coffee"', "5", "line 9: categories[1].name: it must be text, not a whole number"),
        ('"coffee"', '"a\\u001bb"', "line 9: categories[1].name: it must be text without control characters"),
        ("{subject}", "{sujet}", "line 10: categories[1].reply: {sujet} is not a placeholder"),
        ("{subject}", "{email}", "{email} is not available for every ticket: write {email|fallback text}"),
        ("{subject}", "{", "a single '{'"),
        (
            'name = "coffee"',
            'name = "coffee"\npriority = "low"',
            "categories[1].priority: there is no priority",
        ),
    ],
)
def test_errors_name_line_key_and_problem(old, new, expected):
    assert SMALL.count(old) == 1
    with pytest.raises(ConfigError) as error:
        parse_taxonomy(SMALL.replace(old, new), "my.toml")
    assert expected in str(error.value)
    assert str(error.value).startswith("my.toml: ")
    assert "\n" not in str(error.value)


def test_one_error_lists_all_problems():
    with pytest.raises(ConfigError, match=r"default_team.*routes\[0\]\.team"):
        parse_taxonomy(
            SMALL.replace('"desk"\nwhen', '"bar"\nwhen').replace(
                'default_team = "desk"', 'default_team = "x"'
            ),
            "x",
        )


def test_a_rule_without_conditions_before_others_is_an_error():
    always = RoutingRule(team="desk", when=Conditions())
    hidden = ("routes[0].when", "this rule has no condition, so the rules after it never match")
    assert hidden in find_problems(with_routes(always, always))


@pytest.mark.parametrize("text", ["[[categories", "", "x = 1"])
def test_a_file_without_a_taxonomy_is_an_error(text):
    with pytest.raises(ConfigError, match=r"^my\.toml"):
        parse_taxonomy(text, "my.toml")


def test_thresholds_and_templates_have_defaults():
    taxonomy = parse_taxonomy(
        SMALL + '\n[[categories]]\nname = "milk"\nthreshold = 0.9\nreplies = { de = "Milch" }\n', "x"
    )
    assert [taxonomy.threshold_for(name) for name in ("tea", "milk", "none")] == [0.6, 0.9, 0.6]
    assert taxonomy.reply_template("milk", "de") == "Milch"
    assert taxonomy.reply_template("coffee", "de") == "Coffee, {subject}"
    assert (
        taxonomy.reply_template("milk", "en") == taxonomy.reply_template(None, "en") == taxonomy.reply.default
    )


def test_the_fingerprint_depends_on_the_routes_only():
    taxonomy = parse_taxonomy(SMALL, "x")
    other_reply = parse_taxonomy(SMALL.replace("Coffee,", "Tea,"), "x")
    other_route = parse_taxonomy(SMALL.replace('["tea"]', '["coffee"]'), "x")
    assert taxonomy.fingerprint() == other_reply.fingerprint() != other_route.fingerprint()


def test_a_file_can_contain_the_taxonomy_in_a_table(tmp_path):
    file = tmp_path / "ticketctl.toml"
    inside = SMALL.replace("[[", "[[taxonomy.").replace(
        "\ndefault_priority", "\n[taxonomy]\ndefault_priority", 1
    )
    file.write_text(f'pool = "null"\n{inside}')
    assert load_taxonomy_file(file) == parse_taxonomy(SMALL, "x")
    file.write_text(inside.replace('team = "desk"\nwhen', 'team = "bar"\nwhen'))
    with pytest.raises(ConfigError, match=r"line 20: routes\[0\]\.team"):
        load_taxonomy_file(file)
    with pytest.raises(ConfigError, match=r"missing\.toml"):
        load_taxonomy_file(tmp_path / "missing.toml")


def test_labels_alone_make_a_taxonomy():
    taxonomy = taxonomy_from_labels(["b", "a", "b"])
    assert [category.name for category in taxonomy.categories] == ["a", "b"]
    assert list(find_problems(taxonomy)) == []


def test_the_built_in_file_is_the_default_taxonomy():
    assert parse_taxonomy(DEFAULT.read_text(), "x") == default_taxonomy()
    assert isinstance(default_taxonomy(), Taxonomy)
