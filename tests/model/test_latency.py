"""No times are asserted, but that a release made slow by a sleep is told from one that was not."""

import time
from collections.abc import Callable, Sequence

import pytest
import torch

from model.data.gold import GoldPost
from model.inference import Tagger, Tagging, TagRequest
from model.latency import seconds_in_turns
from tests.model.tiny import tagger_of, tiny_model

POSTS = [GoldPost(("Ana", "in", "Porto"), ("B-PER", "O", "B-LOC"))] * 5
Tag = Callable[[Sequence[TagRequest]], list[Tagging]]


def test_releases_are_timed_in_turns_on_all_posts(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    turns: list[tuple[str, int]] = []
    slow = tagger_of(tiny_model())

    def noted(name: str, tag: Tag, pause: float) -> Tag:
        def call(requests: Sequence[TagRequest]) -> list[Tagging]:
            turns.append((name, len(requests)))
            time.sleep(pause)
            return tag(requests)

        return call

    monkeypatch.setattr(tagger, "tag", noted("quick", tagger.tag, 0))
    monkeypatch.setattr(slow, "tag", noted("slow", slow.tag, 0.1))
    quick_seconds, slow_seconds = seconds_in_turns([tagger, slow], POSTS)
    assert slow_seconds >= 0.1
    assert quick_seconds > 0
    timed = [name for name, posts in turns if posts == len(POSTS)]
    assert len(timed) >= 10
    assert timed == ["quick", "slow"] * (len(timed) // 2)
