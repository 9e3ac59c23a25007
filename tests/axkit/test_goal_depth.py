"""How deep ``compress`` asks for cuts, from what those before came to."""

from __future__ import annotations

import pytest

from axkit.goal import Goal
from axkit.goal.depth import Depth, Depths
from axkit.goal.look import Looked
from axkit.goal.outcome import Tried
from axkit.goal.rungs import Rungs

LOOKED = Looked("model", None, "classification", True, {"kind": "classification", "files": "all.jsonl"})


def test_depths_go_by_what_cuts_have_given_behind_the_bits():
    """bfloat16 alone 2.65x; cuts of 1.2x made it 2.76x: a quarter of what they give in float32."""
    rungs = Rungs(Goal(speedup=3), LOOKED)

    def came_to(speedup, drop=0.0):
        return Tried(rungs.stored("bf16"), 90 - drop, drop, speedup, 2.0, 1.0)

    depths = Depths(rungs.goal, came_to(2.65))
    first = depths.first()
    assert first == Depth(pytest.approx(1.2), None)
    depths.asked.append((first, came_to(2.76)))
    second = depths.next()
    assert 1.6 < second.speedup < 1.92, "not the 1.38x that would do if each cut gave all that it gives in float32"
    depths.asked.append((second, came_to(3.1, drop=1.5)))
    third = depths.next()
    assert third.speedup == pytest.approx((1.2 * second.speedup) ** 0.5), "between what held and what did not"
    assert depths.to_train() == second
    depths.asked.append((third, came_to(2.95)))
    assert third.speedup < depths.next().speedup < second.speedup
    depths.asked.append((Depth(1.01 * third.speedup, None), came_to(3.0, drop=1.2)))
    assert depths.next() is None, "nothing between them is worth a try"


def test_cuts_that_were_taken_back_say_nothing_of_what_cuts_give():
    rungs = Rungs(Goal(speedup=2), LOOKED)

    def came_to(speedup, drop=0.0, undone=None):
        return Tried(rungs.stored("int8"), 90 - drop, drop, speedup, 3.9, 1.0, undone=undone)

    depths = Depths(rungs.goal, came_to(1.4))
    first = depths.first()
    depths.asked.append((first, came_to(1.4, undone=(1.5, 4.0))))
    assert depths.to_train() == first, "all that is needed, and no more"
    far = Depths(Goal(speedup=6), came_to(1.4))
    asked = [far.first(), far.first().halfway, far.first().halfway.halfway]
    taken = [(4.5, 9.0), (2.1, 4.0), None]
    far.asked += [
        (one, came_to(1.9 if back is None else 1.4, undone=back)) for one, back in zip(asked, taken, strict=True)
    ]
    assert far.to_train().speedup >= far.first().speedup


def test_no_depth_is_asked_for_twice():
    goal = Goal(speedup=1.45, size=4)
    tried = Rungs(goal, LOOKED).stored("int8")
    depths = Depths(goal, Tried(tried, 90, 0.0, 1.6, 3.9, 1.0))
    depths.asked.append((depths.first(), Tried(tried, 90, 0.0, 1.4, 4.2, 1.0)))
    assert depths.next() is None
