from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.data.gold import GoldPost
from model.data.images import ImageFolder, PostPictures
from model.evaluation import Prediction, entity_scores, evaluate_entities, predict, relation_scores
from model.inference import Tagger, TagRequest
from model.pictures import decode
from model.scores import to_bio

WORDS = ("anita", "borg", "speaks", "in", "lisbon", "tonight", "#nba", "@nasa")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for name in "abc":
        pixels = random.integers(0, 256, (30, 30, 3), np.uint8)
        Image.fromarray(pixels).save(directory / f"{name}.png")
    (directory / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    return directory


def some_posts() -> list[GoldPost]:
    """70 posts, more than a batch, of mixed lengths, with none to two pictures."""
    tags = to_bio(len(WORDS), [("PER", 0, 2), ("LOC", 4, 5)])
    images = [(), ("a",), ("gone", "b"), ("cut", "c")]
    return [GoldPost(WORDS[: 2 + index % 7], tags[: 2 + index % 7], images[index % 4]) for index in range(70)]


def test_a_post_is_predicted_as_a_worker_tags_it(tagger: Tagger, folder: Path) -> None:
    posts = some_posts()
    predicted = predict(tagger, posts, PostPictures(ImageFolder(folder)))
    for index in (0, 1, 2, 3, 69):
        text = tagger.prepare_words(posts[index].words)
        files = [folder / f"{name}.png" for name in posts[index].images if name in "abc"]
        regions = tuple(tagger.describe(decode(file.read_bytes())[np.newaxis])[0] for file in files)
        (alone,) = tagger.tag([TagRequest(text, regions)])
        begins = [
            word.start for word, tag in zip(text.words, predicted[index].tags, strict=True) if tag[0] == "B"
        ]
        assert begins == [entity.start for entity in alone.entities]
        scores = [score for score in predicted[index].relevance if score is not None]
        assert scores == pytest.approx(alone.relevance, abs=1e-3)


def test_a_picture_that_takes_no_part_has_no_relevance_and_keeps_its_place(
    tagger: Tagger, folder: Path
) -> None:
    pictures = PostPictures(ImageFolder(folder))
    predicted = predict(tagger, some_posts(), pictures)
    assert [[score is None for score in each.relevance] for each in predicted[:4]] == [
        [],
        [False],
        [True, False],
        [True, False],
    ]
    counts = pictures.counts
    assert (counts.named, counts.usable, counts.missing, counts.broken) == (86, 52, 17, 17)


def test_progress_adds_up_to_all_posts(tagger: Tagger) -> None:
    told: list[int] = []
    predict(tagger, some_posts(), PostPictures(None), told.append)
    assert told == [64, 6]


def test_text_only_scores_are_those_without_pictures(tagger: Tagger) -> None:
    posts = some_posts()
    alone = entity_scores(posts, predict(tagger, posts, PostPictures(None)))
    assert evaluate_entities(tagger, posts) == alone


def test_posts_without_annotated_entities_do_not_count_as_posts_without_entities() -> None:
    posts = [GoldPost(("a",), ("B-PER",)), GoldPost(("b",), (), ("1",), (True,))]
    predicted = [Prediction(("B-PER",), ()), Prediction(("B-LOC",), (0.9,))]
    scores = entity_scores(posts, predicted)
    assert scores is not None
    assert scores.conlleval.micro.f1 == 1
    assert entity_scores(posts[1:], predicted[1:]) is None


def test_only_judged_pictures_that_took_part_are_scored() -> None:
    posts = [
        GoldPost(("a",), ("O",), ("1", "2", "3"), (True, None, False)),
        GoldPost(("b",), ("O",), ("4",), (False,)),
        GoldPost(("c",), ("O",), ("5",)),
    ]
    predicted = [Prediction(("O",), relevance) for relevance in ((0.9, 0.2, None), (0.3,), (0.5,))]
    scores = relation_scores(posts, predicted)
    assert scores is not None
    assert (scores.pairs, scores.related, scores.auc) == (2, 1, 1.0)
    assert relation_scores(posts[2:], predicted[2:]) is None
