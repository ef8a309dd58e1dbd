from model.training.confusion import confusion


def test_entities_are_matched_by_their_words() -> None:
    gold = [("B-PER", "I-PER", "O", "B-LOC"), ("I-ORG", "O", "B-MISC")]
    found = [("B-PER", "O", "O", "B-ORG"), ("B-ORG", "B-LOC", "O")]
    counts = confusion(gold, found)
    assert {row: {column: n for column, n in each.items() if n} for row, each in counts.items()} == {
        "PER": {"missed": 1},
        "LOC": {"ORG": 1},
        "ORG": {"ORG": 1},
        "MISC": {"missed": 1},
        "spurious": {"PER": 1, "LOC": 1},
    }
