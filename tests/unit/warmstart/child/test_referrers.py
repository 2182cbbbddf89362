"""ReferrerSearch on plain objects: the paths that lead to them, and whether anything keeps them."""

import gc
import subprocess
import sys
from functools import lru_cache
from types import ModuleType
from weakref import ref

import pytest

from ticketctl.warmstart.child.referrers import ReferrerSearch


class Thing:
    pass


class Slotted:
    __slots__ = ("__hidden", "shown")

    def hide(self, thing):
        self.__hidden = thing


class Keeper:
    thing = None


@pytest.fixture
def module():
    one = ModuleType("kept_by_name")
    sys.modules[one.__name__] = one
    yield one
    del sys.modules[one.__name__]


def owners(*things):
    found = ReferrerSearch(things, [], [], lambda module: module.__name__ == "kept_by_name")
    del things
    found.run()
    return found


def name(thing):
    return "".join(step.name for step in owners(thing).path(thing))


def test_a_global_and_the_objects_below_it_have_paths(module):
    module.direct = Thing()
    module.deep = {"key": [Thing(), Thing()]}
    assert name(module.direct) == "kept_by_name.direct"
    assert name(module.deep["key"][1]) == "kept_by_name.deep.key[1]"


def test_paths_lead_through_attributes_and_slots(module):
    module.box = Slotted()
    module.box.shown = Thing()
    module.box.hide(Thing())
    assert name(module.box.shown) == "kept_by_name.box.shown"
    assert name(module.box._Slotted__hidden) == "kept_by_name.box._Slotted__hidden"


def test_a_path_can_start_at_a_class_attribute():
    Keeper.thing = Thing()
    try:
        assert name(Keeper.thing).endswith("Keeper.thing")
    finally:
        Keeper.thing = None


def test_paths_lead_through_closures_and_caches(module):
    thing = Thing()
    module.function = lambda: thing

    @lru_cache
    def cached():
        return Thing()

    module.cached = cached
    assert name(thing) == "kept_by_name.function.<closure>"
    assert name(module.cached()).startswith("kept_by_name.cached")


def test_garbage_is_not_reachable():
    gc.disable()
    try:
        thing = Thing()
        thing.itself = thing
        weak = ref(thing)
        del thing
        found = ReferrerSearch([weak()], [], [], lambda _: False)
        found.run()
        assert not found.is_reachable(weak())
    finally:
        gc.enable()


def test_an_object_on_a_stack_is_reachable_without_a_path():
    thing = Thing()
    thing.itself = thing
    found = owners(thing)
    assert found.is_reachable(thing)
    assert found.path(thing) == []


def test_the_search_raises_no_audit_event_for_each_object():
    # hooks stay for the life of a process, so this one has a process of its own
    script = """
import sys
from collections import Counter
from ticketctl.warmstart.child.referrers import ReferrerSearch
events = Counter()
sys.addaudithook(lambda event, arguments: events.update([event]))
kept = [[object()] for _ in range(1000)]
search = ReferrerSearch([kept[0]], [], [], lambda module: True)
search.run()
print(search.is_reachable(kept[0]), events["builtins.id"])
"""
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert printed.split() == ["True", "0"]
