"""What a run reads, and what it counts as amiss."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.data.gold import DatasetError
from model.training.data import Data
from model.training.pictures import Pictures
from model.training.settings import TrainingSettings
from model.words import WordPieces
from tests.model.tiny import CHANNELS, tiny_tokenizer

PIECES = WordPieces(tiny_tokenizer(), window=24, overlap=8)
HEADER = "tweet_id,text_is_represented,image_adds,a,b,c,d"


@pytest.fixture
def settings(tmp_path: Path) -> TrainingSettings:
    (tmp_path / "pictures").mkdir()
    for number in (1, 2):
        Image.new("RGB", (9, 9), (number, 0, 0)).save(tmp_path / "pictures" / f"{number}.jpg")
    (tmp_path / "pictures" / "3.jpg").write_bytes(b"\xff\xd8\xff broken")
    posts = "IMGID:{0}\nOslo\tB-LOC\n\n"
    (tmp_path / "train.txt").write_text("".join(posts.format(number) for number in range(1, 5)))
    annotated = {
        "post": {"id": "a", "text": "In Oslo", "image_urls": ["http://example.org/2.jpg"]},
        "entities": [{"type": "LOC", "start": 3, "end": 7}],
        "relations": [True],
        "annotator": "ana",
        "annotated_at": "2026-01-01T00:00:00Z",
    }
    (tmp_path / "more.jsonl").write_text(json.dumps(annotated) + "\n")
    rows = [f"{tweet},1,{adds},1,0,0,0" for tweet, adds in ((1, 1), (2, 0), (3, 1), (4, 1), (5, 1))]
    (tmp_path / "labels.csv").write_text("\n".join((HEADER, *rows, "6,,,,,,")) + "\n")
    texts = [json.dumps({"id": str(tweet), "text": f"tweet {tweet}"}) for tweet in range(1, 5)]
    (tmp_path / "texts.jsonl").write_text("\n".join(texts))
    return TrainingSettings(
        train=(tmp_path / "train.txt", tmp_path / "more.jsonl"),
        dev=(tmp_path / "train.txt",),
        images=(tmp_path / "pictures",),
        relation=tmp_path / "labels.csv",
        relation_texts=tmp_path / "texts.jsonl",
        relation_images=tmp_path / "pictures",
        output=tmp_path / "run",
    )


def described(data: Data) -> Pictures:
    def describe(pixels: np.ndarray) -> np.ndarray:
        return np.zeros((len(pixels), 49, CHANNELS), np.float16)

    return Pictures(data.picture_paths(), describe, lambda batches: batches)


def test_posts_have_the_pictures_that_can_be_had(settings: TrainingSettings) -> None:
    data = Data.read(settings)
    pictures = described(data)
    posts = data.training_posts(pictures)
    assert [[path.name for path in found] for _, found in posts] == [["1.jpg"], ["2.jpg"], [], [], ["2.jpg"]]
    counts = data.counts(pictures, data.labelled_pairs(pictures, PIECES, seed=1))
    assert list(counts.train.values()) == [4, 1]
    assert counts.train_posts_with_picture == 3
    assert (counts.pictures, counts.missing_pictures, counts.broken_pictures) == (2, 1, 1)


def test_labels_come_from_the_csv_and_from_annotators(settings: TrainingSettings) -> None:
    data = Data.read(settings)
    pictures = described(data)
    tweets, annotated = data.labelled_pairs(pictures, PIECES, seed=1)
    told = [
        (pair.text.text, pair.picture.name, pair.related) for pair in tweets.draw(np.random.default_rng())
    ]
    assert told == [("tweet 1", "1.jpg", True), ("tweet 2", "2.jpg", False)]
    (pair,) = annotated.draw(np.random.default_rng())
    assert (pair.text.text, pair.picture.name, pair.related) == ("In Oslo", "2.jpg", True)
    counts = data.counts(pictures, [tweets, annotated])
    assert counts.pairs == {"labelled tweets": 2, "annotated posts": 1}
    assert list(counts.malformed_relation_rows) == [7]
    assert (counts.relation_rows_without_text, counts.relation_rows_without_picture) == (1, 1)


def test_other_data_are_other_data(settings: TrainingSettings) -> None:
    def digest() -> str:
        data = Data.read(settings)
        return data.digest(described(data))

    first = digest()
    assert digest() == first
    Image.new("RGB", (9, 9), (200, 0, 0)).save(settings.images[0] / "1.jpg")
    repainted = digest()
    assert repainted != first
    settings.train[0].write_text(settings.train[0].read_text().replace("B-LOC", "B-PER", 1))
    assert digest() not in {first, repainted}


def test_a_file_without_posts_is_an_error(settings: TrainingSettings, tmp_path: Path) -> None:
    (tmp_path / "none.txt").write_text("IMGID:1\n\n")
    with pytest.raises(DatasetError, match=r"none\.txt: has no posts"):
        Data.read(settings.model_copy(update={"dev": (tmp_path / "none.txt",)}))
