import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchcrf import CRF

from model.config import BIO_TAGS
from model.crf import FORBIDDEN, Chain, bio_masks, forward_backward, viterbi
from model.spans import Span, conlleval_spans, span_probability

TAGS = len(BIO_TAGS)


def random_crf(seed: int) -> tuple[CRF, Chain]:
    """A CRF that forbids what BIO does not have, and its chain."""
    torch.manual_seed(seed)
    crf = CRF(TAGS, batch_first=True)
    starts, follows = bio_masks(BIO_TAGS)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.normal_()
        crf.start_transitions.masked_fill_(~starts, FORBIDDEN)
        crf.transitions.masked_fill_(~follows, FORBIDDEN)
    return crf, Chain.of(crf, BIO_TAGS)


def path_score(emissions: torch.Tensor, path: torch.Tensor, chain: Chain) -> torch.Tensor:
    score = chain.starts[path[0]] + chain.ends[path[-1]] + chain.transitions[path[:-1], path[1:]].sum()
    return score + emissions[torch.arange(len(path)), path].sum()


cases = given(st.integers(0, 10_000), st.lists(st.integers(1, 9), min_size=1, max_size=5))


@settings(deadline=None, max_examples=60)
@cases
def test_viterbi_is_the_library_s_decode(seed: int, lengths: list[int]) -> None:
    crf, chain = random_crf(seed)
    emissions = 2 * torch.randn(len(lengths), max(lengths), TAGS)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    paths = viterbi(emissions, torch.tensor(lengths), chain)
    assert [path[:n].tolist() for path, n in zip(paths, lengths, strict=True)] == crf.decode(emissions, mask)


@settings(deadline=None, max_examples=60)
@cases
def test_the_partition_gives_the_library_s_likelihood_of_any_path(seed: int, lengths: list[int]) -> None:
    torch.manual_seed(seed)
    # Nothing is forbidden here, so that any path has a likelihood to compare.
    crf = CRF(TAGS, batch_first=True).double()
    chain = Chain(*(p.detach() for p in (crf.start_transitions, crf.end_transitions, crf.transitions)))
    emissions = 2 * torch.randn(len(lengths), max(lengths), TAGS, dtype=torch.float64)
    paths = torch.randint(0, TAGS, emissions.shape[:2])
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    likelihood = crf(emissions, paths, mask=mask, reduction="none")
    total = forward_backward(emissions, torch.tensor(lengths), chain).total
    for row, n in enumerate(lengths):
        score = path_score(emissions[row], paths[row, :n], chain)
        assert (score - total[row]).item() == pytest.approx(likelihood[row].item(), abs=1e-9)


@settings(deadline=None, max_examples=30)
@cases
def test_what_bio_forbids_does_not_count_in_the_likelihood(seed: int, lengths: list[int]) -> None:
    crf, chain = random_crf(seed)
    emissions = torch.randn(len(lengths), max(lengths), TAGS)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    paths = viterbi(emissions, torch.tensor(lengths), chain)
    likelihood = crf(emissions, paths, mask=mask, reduction="none")
    total = forward_backward(emissions, torch.tensor(lengths), chain).total
    for row, n in enumerate(lengths):
        score = path_score(emissions[row], paths[row, :n], chain)
        assert (score - total[row]).item() == pytest.approx(likelihood[row].item(), abs=1e-3)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10_000),
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
    st.sampled_from([0.0, 5.0, 1e3, 1e5, 1e9]),
)
def test_no_path_breaks_bio_however_hard_it_is_pulled(seed: int, lengths: list[int], pull: float) -> None:
    torch.manual_seed(seed)
    # Untrained, and pulled towards I-: only the chain holds it back.
    chain = Chain.of(CRF(TAGS, batch_first=True), BIO_TAGS).double()
    emissions = torch.randn(len(lengths), max(lengths), TAGS, dtype=torch.float64)
    emissions[..., 2::2] += pull * torch.rand(len(lengths), max(lengths), TAGS // 2)
    lattice = forward_backward(emissions, torch.tensor(lengths), chain)
    assert lattice.total.isfinite().all()
    for path, n in zip(viterbi(emissions, torch.tensor(lengths), chain), lengths, strict=True):
        tags = [BIO_TAGS[tag] for tag in path[:n].tolist()]
        for before, tag in zip(["O", *tags], tags, strict=False):
            assert not tag.startswith("I-") or before[2:] == tag[2:]


def test_a_span_s_score_is_the_share_of_the_paths_that_hold_it() -> None:
    """Against every path of a short sentence, counted out."""
    _, chain = random_crf(3)
    chain = chain.double()
    words = 4
    emissions = torch.randn(1, words, TAGS, dtype=torch.float64)
    paths = torch.cartesian_prod(*[torch.arange(TAGS)] * words)
    scores = chain.starts[paths[:, 0]] + chain.ends[paths[:, -1]]
    scores = scores + emissions[0][torch.arange(words), paths].sum(dim=1)
    scores = scores + chain.transitions[paths[:, :-1], paths[:, 1:]].sum(dim=1)
    shares = scores.softmax(dim=0)
    lattice = forward_backward(emissions, torch.tensor([words]), chain)
    found: dict[Span, float] = {}
    for path, share in zip(paths.tolist(), shares.tolist(), strict=True):
        if share > 0:
            for span in conlleval_spans([BIO_TAGS[tag] for tag in path]):
                found[span] = found.get(span, 0.0) + share
    assert len(found) == len(BIO_TAGS) // 2 * words * (words + 1) // 2
    for span, expected in found.items():
        score = span_probability(
            span,
            BIO_TAGS,
            emissions=emissions[0].numpy(),
            transitions=chain.transitions.numpy(),
            ends=chain.ends.numpy(),
            prefixes=lattice.prefixes[0].numpy(),
            suffixes=lattice.suffixes[0].numpy(),
            total=float(lattice.total[0]),
        )
        assert score == pytest.approx(expected, abs=1e-9)


def test_padding_does_not_change_a_sequence() -> None:
    _, chain = random_crf(5)
    short = torch.randn(1, 3, TAGS)
    padded = torch.cat((short, 9 * torch.randn(1, 6, TAGS)), dim=1)
    length = torch.tensor([3])
    assert viterbi(padded, length, chain)[:, :3].tolist() == viterbi(short, length, chain).tolist()
    alone, beside = forward_backward(short, length, chain), forward_backward(padded, length, chain)
    np.testing.assert_allclose(alone.total, beside.total)
    np.testing.assert_allclose(alone.suffixes, beside.suffixes[:, :3])
