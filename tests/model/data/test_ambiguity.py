"""The ambiguity set: what makes it a fair question whether pictures help."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import pytest

from model.data.ambiguity.concepts import CONCEPTS, Concept, Split, read_things
from model.data.ambiguity.generate import Role, generate, role_of
from model.data.ambiguity.wording import NAMES, SENTENCES
from model.data.gold import DatasetError
from schemas import AnnotatedPost, EntityType
from tests.model.data.ambiguous import make_stamps

Posts = Mapping[Split, Sequence[AnnotatedPost]]


@pytest.fixture(scope="module")
def stamps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_stamps(tmp_path_factory.mktemp("stamps"))


@pytest.fixture(scope="module")
def posts(stamps: Path) -> Posts:
    return generate(stamps, seed=1)


@pytest.fixture(scope="module")
def concept_of(stamps: Path) -> Mapping[str, Concept]:
    return {thing.picture: concept for concept, found in read_things(stamps).items() for thing in found}


def by_text(posts: Sequence[AnnotatedPost]) -> list[dict[Role, list[AnnotatedPost]]]:
    texts: dict[str, dict[Role, list[AnnotatedPost]]] = defaultdict(lambda: defaultdict(list))
    for post in posts:
        texts[post.post.text][role_of(post.post)].append(post)
    return list(texts.values())


def kind(post: AnnotatedPost) -> EntityType:
    (entity,) = post.entities
    return entity.type


def picture(post: AnnotatedPost) -> str:
    (url,) = post.post.pictures
    return url


def test_types_are_balanced_and_most_pictures_unrelated(posts: Posts) -> None:
    assert {split: len(found) for split, found in posts.items()} == {"train": 1620, "dev": 300, "test": 600}
    for found in posts.values():
        assert set(Counter(map(kind, found)).values()) == {len(found) // len(EntityType)}
        assert sum(post.relations == (False,) for post in found) == 0.6 * len(found)


def test_a_name_is_each_type_as_often_as_another(posts: Posts) -> None:
    for found in posts.values():
        kinds: dict[str, Counter[EntityType]] = defaultdict(Counter)
        for post in found:
            kinds[post.post.text[post.entities[0].start : post.entities[0].end]][kind(post)] += 1
        assert all(set(counts.values()) == {15} for counts in kinds.values())


def test_whoever_sees_the_text_alone_is_right_in_half_of_what_pictures_decide(posts: Posts) -> None:
    for found in posts.values():
        for text in by_text(found):
            (confirms,), (overturns,) = text[Role.CONFIRMS], text[Role.OVERTURNS]
            assert kind(confirms) != kind(overturns)
            assert confirms.relations == overturns.relations == (True,)


def test_unrelated_pictures_leave_the_first_reading_and_show_another_type(
    posts: Posts, concept_of: Mapping[str, Concept]
) -> None:
    for found in posts.values():
        for text in by_text(found):
            (confirms,), (overturns,) = text[Role.CONFIRMS], text[Role.OVERTURNS]
            (misleads,), distracts = text[Role.MISLEADS], text[Role.DISTRACTS]
            assert {kind(post) for post in (misleads, *distracts)} == {kind(confirms)}
            shown = concept_of[picture(misleads)]
            assert shown.type is kind(overturns)
            assert shown is not concept_of[picture(overturns)]
            named = {kind(confirms), kind(overturns)}
            assert not named & {concept_of[picture(post)].type for post in distracts}
            assert len({picture(post) for of_role in text.values() for post in of_role}) == 5


def test_related_pictures_show_what_the_text_names_and_unrelated_ones_nothing_of_it(
    stamps: Path, posts: Posts
) -> None:
    for post in posts[Split.TEST]:
        _, colour, noun = (stamps / picture(post)).with_suffix(".txt").read_text().rstrip(".\n").split()
        said = set(re.findall("[a-z]+", post.post.text))
        assert {colour, noun} & said == ({colour, noun} if post.relations == (True,) else set())


def test_neither_concept_nor_text_gives_the_relation_away(
    posts: Posts, concept_of: Mapping[str, Concept]
) -> None:
    for found in posts.values():
        for clue in (lambda post: concept_of[picture(post)], lambda post: post.post.text):
            counts: dict[object, Counter[bool]] = defaultdict(Counter)
            for post in found:
                counts[clue(post)][post.relations == (True,)] += 1
            # The best guess from either alone, beside 60 % of always saying unrelated.
            assert sum(max(each.values()) for each in counts.values()) < 0.64 * len(found)


def test_splits_share_neither_names_nor_sentences_nor_pictures(posts: Posts) -> None:
    for table in (NAMES, SENTENCES):
        every = [each for split in Split for each in table[split]]
        assert len(every) == len(set(every))
    shown = [url for found in posts.values() for url in set(map(picture, found))]
    assert len(shown) == len(set(shown))


def test_no_folder_and_no_gloss_of_test_is_seen_in_training(posts: Posts) -> None:
    folders = {
        split: {PurePosixPath(picture(post)).parent for post in found} for split, found in posts.items()
    }
    assert not folders[Split.TRAIN] & folders[Split.TEST]
    glosses = {split: {each.gloss for each in CONCEPTS if each.split is split} for split in Split}
    assert not glosses[Split.TRAIN] & glosses[Split.TEST]
    for split in Split:
        assert {each.type for each in CONCEPTS if each.split is split} == set(EntityType)


def test_the_entity_is_the_name(posts: Posts) -> None:
    for split, found in posts.items():
        for post in found:
            (entity,) = post.entities
            assert post.post.text[entity.start : entity.end] in NAMES[split]


def test_the_seed_alone_decides_and_moves_no_picture_to_another_split(
    stamps: Path, posts: Posts, concept_of: Mapping[str, Concept]
) -> None:
    assert generate(stamps, seed=1) == posts
    other = generate(stamps, seed=2)
    assert [post.post.text for post in other[Split.TEST]] != [post.post.text for post in posts[Split.TEST]]
    for split, found in other.items():
        assert {concept_of[picture(post)].split for post in found} == {split}


@pytest.mark.parametrize(
    ("caption", "said"),
    [
        ("A dumper. It carries its load in the front.", "the company with the dumper"),
        ("The caboose—a carriage for the guard.", "the company with the caboose"),
        ("Some cherries", "the company with the cherries"),
        ("A VW Beetle.", None),
        ("An airplane of no use to anybody.", None),
        ("Boom!!!", None),
    ],
)
def test_a_caption_is_read_up_to_its_noun_or_left_out(tmp_path: Path, caption: str, said: str | None) -> None:
    make_stamps(tmp_path)
    (tmp_path / "vehicles" / "auto" / "y.txt").write_text(caption, encoding="utf-8")
    glosses = {thing.picture: thing.gloss for found in read_things(tmp_path).values() for thing in found}
    assert glosses.get("vehicles/auto/y.png") == said


def test_pictures_that_are_not_the_stamps_are_named(tmp_path: Path) -> None:
    make_stamps(tmp_path)
    for found in (tmp_path / "food" / "vegetables").iterdir():
        found.unlink()
    with pytest.raises(DatasetError, match=r"no captioned picture food/vegetables/\*\.png; give the stamps"):
        generate(tmp_path, seed=1)


def test_captions_too_much_alike_are_an_error(tmp_path: Path) -> None:
    for caption in make_stamps(tmp_path).rglob("*.txt"):
        caption.write_text("A small thing.")
    with pytest.raises(DatasetError, match="captions share words"):
        generate(tmp_path, seed=1)
