"""The rule, on figures made up."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.scores import EntityScores, Score, Scores
from workers.settings import RuleSettings
from workers.trainer.rule import ENOUGH_ENTITIES, Figures, check

RULE = RuleSettings()
MANY, FEW = 200, ENOUGH_ENTITIES - 1
F1 = st.floats(0, 1)


def scores(micro: float, support: int = MANY, **types: float) -> EntityScores:
    def score(f1: float) -> Score:
        return Score(precision=f1, recall=f1, f1=f1, support=support)

    both = Scores(micro=score(micro), types={kind: score(f1) for kind, f1 in types.items()})
    return EntityScores(conlleval=both, strict=both)


def figures(**changed: Any) -> Figures:
    fields: dict[str, Any] = {
        "dev": {"valid": scores(0.8, PER=0.9, LOC=0.7)},
        "held_out": scores(0.5),
        "seconds": 1.0,
        "golden": 2,
        "wrong_golden": (),
    }
    return Figures(**fields | changed)


def failed(candidate: Figures, incumbent: Figures | None = None, rule: RuleSettings = RULE) -> list[str]:
    return [each.name for each in check(incumbent or figures(), candidate, rule) if not each.holds]


@settings(deadline=None)
@given(F1, F1, F1, st.floats(0.001, 100))
def test_as_good_and_as_quick_is_good_enough(
    dev: float, kind: float, held_out: float, seconds: float
) -> None:
    same = figures(dev={"valid": scores(dev, PER=kind)}, held_out=scores(held_out), seconds=seconds)
    assert failed(same, same) == []


@settings(deadline=None)
@given(F1, F1)
def test_better_figures_never_refuse_what_worse_ones_let_pass(one: float, other: float) -> None:
    worse, better = sorted((one, other))
    for change in (
        lambda f1: {"dev": {"valid": scores(f1, PER=0.9, LOC=0.7)}},
        lambda f1: {"dev": {"valid": scores(0.8, PER=f1, LOC=0.7)}},
        lambda f1: {"held_out": scores(f1)},
    ):
        assert set(failed(figures(**change(better)))) <= set(failed(figures(**change(worse))))


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"dev": {"valid": scores(0.794, PER=0.9, LOC=0.7)}}, "micro F1 on valid"),
        ({"dev": {"valid": scores(float("nan"), PER=0.9, LOC=0.7)}}, "micro F1 on valid"),
        ({"dev": {"valid": scores(0.8, PER=0.79, LOC=0.8)}}, "F1 of PER on valid"),
        ({"dev": {"valid": scores(0.8, PER=0.9)}}, "F1 of LOC on valid"),
        ({"held_out": scores(0.499)}, "micro F1 on held-out annotations"),
        ({"seconds": 1.26}, "seconds for a batch"),
        ({"wrong_golden": ("Ana in Porto",)}, "golden posts tagged wrongly"),
    ],
)
def test_each_condition_refuses_by_itself(changed: dict[str, Any], name: str) -> None:
    assert failed(figures(**changed)) == [name]


@pytest.mark.parametrize(
    "changed",
    [
        {"dev": {"valid": scores(0.796, PER=0.81, LOC=0.61)}},
        {"held_out": scores(0.5)},
        {"seconds": 1.24},
    ],
)
def test_within_the_tolerance_is_good_enough(changed: dict[str, Any]) -> None:
    assert failed(figures(**changed)) == []


def test_every_development_file_counts_for_itself() -> None:
    dev = {"a": scores(0.5), "b": scores(0.9)}
    assert failed(figures(dev={"a": scores(0.9), "b": scores(0.5)}), figures(dev=dev)) == ["micro F1 on b"]


def test_a_type_of_few_entities_collapses_nothing() -> None:
    before = figures(dev={"valid": scores(0.8, FEW, PER=0.9)})
    assert failed(figures(dev={"valid": scores(0.8, FEW)}), before) == []


def test_what_there_is_no_data_for_is_not_checked() -> None:
    bare = figures(held_out=None, golden=0)
    assert {each.name for each in check(bare, bare, RULE)} == {
        "micro F1 on valid",
        "F1 of PER on valid",
        "F1 of LOC on valid",
        "seconds for a batch",
    }


def test_a_reason_names_figure_and_bound() -> None:
    (slow,) = [each for each in check(figures(), figures(seconds=2.0), RULE) if not each.holds]
    assert str(slow) == "seconds for a batch is 2, at most 1.25 was needed (in service 1)"
