import torch
from hypothesis import given
from hypothesis import strategies as st

from model.unpadded import Unpadded


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=6))
def test_rows_come_back_to_their_places(rows: list[list[bool]]) -> None:
    present = torch.tensor(rows)
    padded = torch.randn(*present.shape, 3)
    unpadded = Unpadded.of(present)
    taken = unpadded.take(padded)
    # Little padding is left where it is.
    count = int(present.sum())
    assert len(taken) == (count if count < 0.92 * present.numel() else present.numel())
    if present.any():
        torch.testing.assert_close(unpadded.pad(taken)[present], padded[present])


def test_without_padding_nothing_is_moved() -> None:
    padded = torch.randn(4, 7, 3)
    unpadded = Unpadded.of(torch.ones(4, 7, dtype=torch.bool))
    assert unpadded.take(padded).data_ptr() == padded.data_ptr()
    assert unpadded.pad(unpadded.take(padded)).data_ptr() == padded.data_ptr()
