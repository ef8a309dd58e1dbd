import pytest

from model.scores import Score, score_entities, score_relations, to_bio


def test_the_two_ways_of_scoring_part_at_orphans() -> None:
    scores = score_entities([("I-PER", "O", "B-LOC")], [("B-PER", "O", "B-LOC")])
    assert scores.conlleval.micro.f1 == 1.0
    assert scores.strict.micro.precision == 0.5
    assert scores.conlleval.types["PER"].support == 1


def test_types_are_scored_apart_and_together() -> None:
    gold = [("B-PER", "I-PER", "O", "B-LOC"), ("B-LOC", "O")]
    found = [("B-PER", "O", "O", "B-LOC"), ("B-LOC", "B-ORG")]
    scores = score_entities(gold, found).conlleval
    assert scores.types["LOC"] == Score(precision=1, recall=1, f1=1, support=2)
    assert scores.types["PER"].f1 == 0
    assert scores.types["ORG"].support == 0
    assert scores.micro.precision == 0.5
    assert scores.micro.recall == pytest.approx(2 / 3)
    assert "MISC" not in scores.types


@pytest.mark.parametrize("tags", [("O", "O"), ()])
def test_posts_without_any_entity_score_nothing(tags: tuple[str, ...]) -> None:
    scores = score_entities([tags], [tags])
    assert scores.strict.micro == Score(precision=0, recall=0, f1=0, support=0)
    assert not scores.strict.types


def test_relations_are_judged_at_one_half_and_ranked_by_score() -> None:
    scores = score_relations([True, True, False, False], [0.9, 0.4, 0.6, 0.1])
    assert (scores.pairs, scores.related) == (4, 2)
    assert (scores.accuracy, scores.precision, scores.recall, scores.f1) == (0.5, 0.5, 0.5, 0.5)
    assert scores.auc == 0.75
    assert scores.auc_missing is None


@pytest.mark.parametrize(("related", "says"), [(True, "every pair is related"), (False, "is unrelated")])
def test_one_class_alone_has_no_auc_and_says_why(related: bool, says: str) -> None:
    scores = score_relations([related, related], [0.9, 0.4])
    assert scores.auc is None
    assert scores.auc_missing is not None
    assert says in scores.auc_missing
    assert scores.accuracy == 0.5


def test_spans_become_tags() -> None:
    assert to_bio(5, [("PER", 0, 2), ("LOC", 4, 5)]) == ("B-PER", "I-PER", "O", "O", "B-LOC")
