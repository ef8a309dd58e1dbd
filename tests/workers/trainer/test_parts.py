import random

from schemas import EntityType, GoldEntity
from tests.refresh import annotated, new_post
from workers.trainer.parts import part

POSTS = annotated([new_post(random.Random(seed)) for seed in range(20)])


def test_the_newest_judge_the_next_choose_and_the_oldest_train() -> None:
    parts = part(POSTS, frozenset(), choosing_share=0.1, held_out_share=0.2)
    assert (parts.train, parts.choosing, parts.held_out) == (
        tuple(POSTS[:14]),
        tuple(POSTS[14:16]),
        tuple(POSTS[16:]),
    )


def test_what_judges_is_new_to_every_release_that_was_made_before() -> None:
    """However the topic grows."""
    trained: set[str] = set()
    for number in range(len(POSTS) + 1):
        parts = part(POSTS[:number], frozenset(), choosing_share=0.1, held_out_share=0.2)
        assert trained.isdisjoint(each.post.id for each in parts.held_out)
        trained |= {each.post.id for each in parts.train}


def test_what_judges_already_and_what_is_of_no_use_is_left_out_and_counted() -> None:
    nowhere = POSTS[0].model_copy(update={"entities": (GoldEntity(type=EntityType.LOC, start=3, end=4),)})
    blank = POSTS[1].model_copy(
        update={"post": POSTS[1].post.model_copy(update={"text": " "}), "entities": ()}
    )
    known = frozenset({tuple(POSTS[2].post.text.split())})
    parts = part([nowhere, blank, *POSTS[2:4]], known, choosing_share=0, held_out_share=0)
    assert (parts.train, parts.unusable) == (tuple(POSTS[3:4]), 2)
    assert parts.known == 1
