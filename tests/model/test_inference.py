from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch

from model import device
from model.batch import Batch
from model.config import BLOCKS, GateKind
from model.inference import Tagger, Tagging, TagRequest, vision_dtype
from model.pictures import DECODING, decode
from model.release import ReleaseError
from tests.model.tiny import CHANNELS, some_regions, tagger_of, tiny_model
from workers.local.samples import picture_bytes

TEXT = "anita borg speaks in lisbon tonight #nba @nasa https://x.org/abc"


def mixed_requests(tagger: Tagger) -> list[TagRequest]:
    """32 posts of mixed lengths, some of several windows, with 0 to 4 pictures."""
    words = TEXT.split()
    return [
        TagRequest(
            tagger.prepare(" ".join((words * 9)[: 1 + (7 * index) % 61])),
            tuple(some_regions(index, index % 5)),
        )
        for index in range(32)
    ]


@pytest.mark.parametrize("gate", GateKind)
def test_a_post_s_result_does_not_depend_on_its_batch(gate: GateKind) -> None:
    tagger = tagger_of(tiny_model(gate))
    requests = mixed_requests(tagger)
    together = tagger.tag(requests)
    assert any(len(request.text.windows) > 1 for request in requests)
    for request, beside in zip(requests, together, strict=True):
        (alone,) = tagger.tag([request])
        assert [(e.type, e.start, e.end) for e in alone.entities] == [
            (e.type, e.start, e.end) for e in beside.entities
        ]
        scores = [[entity.score for entity in tagging.entities] for tagging in (alone, beside)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-3)
        assert alone.relevance == pytest.approx(beside.relevance, abs=1e-3)


def test_entities_are_slices_of_the_text_in_order_and_apart(tagger: Tagger) -> None:
    text = "  Zu\u0308rich 👩🏽‍🚀 東京 \x00 @nasa\n\n" + TEXT
    (tagging,) = tagger.tag([TagRequest(tagger.prepare(text))])
    assert tagging.entities
    behind = 0
    for entity in tagging.entities:
        assert entity.text == text[entity.start : entity.end]
        assert behind <= entity.start
        assert 0 < entity.score <= 1
        behind = entity.end


@pytest.mark.parametrize("text", ["", "   \n", "\u200b"])
def test_an_empty_text_comes_out_without_entities_or_fails_nothing(tagger: Tagger, text: str) -> None:
    (tagging,) = tagger.tag([TagRequest(tagger.prepare(text), tuple(some_regions(1)))])
    assert len(tagging.relevance) == 1
    assert not tagging.entities or text == "\u200b"


def test_as_many_out_as_in(tagger: Tagger) -> None:
    assert tagger.tag([]) == []
    requests = mixed_requests(tagger)
    assert [len(tagging.relevance) for tagging in tagger.tag(requests)] == [len(r.pictures) for r in requests]


def test_no_entity_is_lost_or_doubled_at_a_seam() -> None:
    """In a long text every repetition far from an end is tagged as every other one."""
    tagger = tagger_of(tiny_model(window=60, overlap=28))
    text = "ab cd ef gh " * 60
    prepared = tagger.prepare(text)
    assert len(prepared.windows) > 4
    (tagging,) = tagger.tag([TagRequest(prepared)])
    spans = [(entity.start, entity.end) for entity in tagging.entities]
    assert len(spans) == len(set(spans))
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_the_length_counts_all_windows(tagger: Tagger) -> None:
    prepared = tagger.prepare("a " * 100)
    assert prepared.length == sum(len(window) for window in prepared.windows) > 100


def test_relevance_is_the_soft_score_whatever_the_gate() -> None:
    hard, soft = tagger_of(tiny_model(GateKind.GUMBEL)), tagger_of(tiny_model(GateKind.SOFT))
    requests = [TagRequest(hard.prepare(TEXT), tuple(some_regions(1, 3)))]
    scores = [tagger.tag(requests)[0].relevance for tagger in (hard, soft)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    assert all(0 < score < 1 for score in scores[0])


def test_pictures_are_described_one_by_one_or_together(tagger: Tagger) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), np.uint8)
    pixels.setflags(write=False)
    together = tagger.describe(pixels)
    assert together.shape == (3, BLOCKS, CHANNELS)
    assert together.dtype == np.float16
    np.testing.assert_allclose(tagger.describe(pixels[1:2])[0], together[1], atol=1e-2)


def test_more_pictures_than_a_post_can_have_are_an_error(tagger: Tagger) -> None:
    with pytest.raises(ValueError, match="at most 4 pictures"):
        tagger.tag([TagRequest(tagger.prepare(TEXT), tuple(some_regions(1, 5)))])


def test_in_bf16_the_backbone_keeps_a_precision_that_keeps_relation_scores() -> None:
    """Its convolutions in bf16 moved scores of these very pictures by up to 0.017."""
    exact, rough = (Tagger.load("small", device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16"))
    assert (exact.dtype, rough.dtype) == ("float32", "bfloat16")
    pixels = np.stack([decode(picture_bytes(f"{name}.jpg")) for name in ("horse", "hubble")])
    scores = []
    for tagger in (exact, rough):
        text = tagger.prepare("A horse on the moon, says Anita Borg")
        requests = [TagRequest(text, (regions,)) for regions in tagger.describe(pixels)]
        scores.append([tagging.relevance[0] for tagging in tagger.tag(requests)])
    assert scores[1] == pytest.approx(scores[0], abs=0.01)


def test_features_are_keyed_by_weights_decoding_and_precision(release_directory: object) -> None:
    tagger, again = (Tagger.load(str(release_directory), device="cpu", dtype="float32") for _ in range(2))
    assert tagger.backbone_digest == again.backbone_digest
    # A cached feature of pixels that were made in another way is another feature, too.
    assert DECODING in tagger.backbone_digest
    assert tagger.backbone_digest.endswith("-float32")


@pytest.mark.parametrize(
    ("device", "dtype", "vision"),
    [
        ("cpu", torch.bfloat16, torch.float32),
        ("cpu", torch.float32, torch.float32),
        ("cuda", torch.bfloat16, torch.float16),
        ("cuda", torch.float32, torch.float32),
    ],
)
def test_the_backbone_never_convolves_in_bf16(device: str, dtype: torch.dtype, vision: torch.dtype) -> None:
    assert vision_dtype(torch.device(device), dtype) is vision


def test_the_gate_of_a_release_can_be_left_out(release_directory: object) -> None:
    own, off = (Tagger.load(str(release_directory), device="cpu", gate=gate) for gate in (None, GateKind.OFF))
    for tagger in (own, off):
        with torch.no_grad():
            tagger._model.relation.bias.copy_(torch.tensor([9.0, -9.0]))
    requests = [TagRequest(own.prepare(TEXT), pictures) for pictures in ((), tuple(some_regions(1)))]
    (alone, shut), (_, let_in) = own.tag(requests), off.tag(requests)
    assert shut.relevance == pytest.approx(let_in.relevance)
    assert shut.entities == alone.entities != let_in.entities


@pytest.mark.parametrize(
    ("device", "dtype", "message"),
    [("abacus", "auto", "device 'abacus'"), ("auto", "int3", "dtype 'int3'")],
)
def test_a_device_or_dtype_that_is_not_there_is_named(
    release_directory: object, device: str, dtype: str, message: str
) -> None:
    with pytest.raises(ReleaseError, match=message):
        Tagger.load(str(release_directory), device=device, dtype=dtype)


def test_text_only_posts_take_one_pass(tagger: Tagger) -> None:
    passes: list[int] = []
    hook = tagger._model.encoder.register_forward_hook(lambda _, __, output: passes.append(len(output)))
    tagger.tag([TagRequest(tagger.prepare("a b")), TagRequest(tagger.prepare("c"))])
    hook.remove()
    assert passes == [2]


@pytest.mark.parametrize(("device", "posts"), [("cpu", 1), ("cuda", 31)])
def test_a_rehearsal_takes_a_whole_batch_where_memory_is_the_device_s(
    tagger: Tagger, monkeypatch: pytest.MonkeyPatch, device: str, posts: int
) -> None:
    batches: list[int] = []

    def tag(requests: Sequence[TagRequest]) -> list[Tagging]:
        batches.append(len(requests))
        return [Tagging((), (0.5,) * len(request.pictures)) for request in requests]

    monkeypatch.setattr(tagger, "warm_up", lambda: None)
    monkeypatch.setattr(tagger, "tag", tag)
    monkeypatch.setattr(tagger, "_device", torch.device(device))
    tagger.rehearse(
        posts=64, tokens=31 * (tagger.prepare("Anita Borg speaks in Lisbon tonight").length + BLOCKS)
    )
    assert batches[0] == posts


@pytest.mark.parametrize(("posts", "threads"), [(1, 1), (2, 1), (8, 3)])
def test_a_batch_too_small_to_share_has_one_thread(
    tagger: Tagger, monkeypatch: pytest.MonkeyPatch, posts: int, threads: int
) -> None:
    seen = []
    forward = tagger._model.forward

    def look(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(torch.get_num_threads())
        return forward(batch)

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with monkeypatch.context() as patched:
            # As many rows as of `small`, which is wider.
            patched.setattr(device, "_WORK_FOR_ONE", 150 * tagger._model.config.encoder.hidden**2)
            patched.setattr(tagger._model, "forward", look)
            tagger.tag([TagRequest(tagger.prepare("anita borg"), tuple(some_regions(1)))] * posts)
        assert seen == [threads]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
