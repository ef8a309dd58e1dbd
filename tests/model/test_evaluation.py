from model.data.gold import GoldPost
from model.evaluation import score, to_bio


def test_the_two_ways_of_scoring_part_at_orphans() -> None:
    posts = [GoldPost(("a", "b", "c"), ("I-PER", "O", "B-LOC"))]
    scores = score(posts, [["B-PER", "O", "B-LOC"]])
    assert scores.conlleval.micro.f1 == 1.0
    assert scores.strict.micro.precision == 0.5
    assert scores.conlleval.types["PER"].support == 1


def test_spans_become_tags() -> None:
    assert to_bio(5, [("PER", 0, 2), ("LOC", 4, 5)]) == ["B-PER", "I-PER", "O", "O", "B-LOC"]
