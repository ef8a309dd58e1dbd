"""The release that comes with the package, on sentences of our own."""

import numpy as np
import pytest

from model.inference import Tagger, TagRequest
from model.pictures import decode
from model.release import find_release
from tests.model.test_pretrained import SAMPLES


@pytest.fixture(scope="module")
def small() -> Tagger:
    return Tagger.load("small", device="cpu", dtype="float32")


def test_it_stays_within_its_size_and_has_one_file_of_weights() -> None:
    files = list(find_release("small").iterdir())
    assert sum(file.stat().st_size for file in files) <= 58_000_000
    assert [file.name for file in files if file.stat().st_size > 1_000_000] == ["model.safetensors"]


def test_its_card_says_what_it_was_made_from_and_what_it_can_not_do() -> None:
    card = (find_release("small") / "README.md").read_text(encoding="utf-8")
    for said in ("all-MiniLM-L6-v2", "Twitter-2015", "tuxpaint-stamps-default", "## Limits", "AUC"):
        assert said in card


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        (
            "Angela Merkel meets Barack Obama in Berlin",
            {("Angela Merkel", "PER"), ("Barack Obama", "PER"), ("Berlin", "LOC")},
        ),
        (
            "RT @someone: LeBron James is back in Cleveland! https://t.co/abc",
            {("LeBron James", "PER"), ("Cleveland", "LOC")},
        ),
        ("nothing to see here, good night", set()),
    ],
)
def test_it_finds_who_and_where(small: Tagger, text: str, entities: set[tuple[str, str]]) -> None:
    (tagging,) = small.tag([TagRequest(small.prepare(text))])
    assert {(entity.text, entity.type.value) for entity in tagging.entities} == entities


def test_a_name_at_every_seam_of_a_long_text_is_found_once(small: Tagger) -> None:
    text = "Then we went to Paris and it rained again all day long. " * 60
    prepared = small.prepare(text)
    assert len(prepared.windows) > 3
    (tagging,) = small.tag([TagRequest(prepared)])
    assert [entity.text for entity in tagging.entities] == ["Paris"] * 60


def test_alone_or_among_31_others_with_pictures_the_result_is_the_same(small: Tagger) -> None:
    pixels = np.stack([decode(picture.read_bytes()) for picture in sorted(SAMPLES.glob("*.jpg"))[:4]])
    regions = tuple(small.describe(pixels))
    lines = (
        "Angela Merkel meets Barack Obama in Berlin",
        "a cat",
        "The rocket of @SpaceX rises over Cape Canaveral tonight #Falcon9 " * 3,
        "コーヒーを飲む 東京 ☕️",
    )
    requests = [
        TagRequest(small.prepare(lines[index % 4] * (1 + index // 16)), regions[: index % 5])
        for index in range(32)
    ]
    together = small.tag(requests)
    for request, beside in zip(requests, together, strict=True):
        (alone,) = small.tag([request])
        assert [(e.type, e.start, e.end) for e in alone.entities] == [
            (e.type, e.start, e.end) for e in beside.entities
        ]
        assert alone.relevance == pytest.approx(beside.relevance, abs=1e-3)
