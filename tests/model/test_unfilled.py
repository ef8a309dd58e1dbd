from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from model.config import PRESETS
from model.rpbert import RpBert
from model.unfilled import Unfilled
from tests.model.tiny import tiny_preset


@pytest.mark.parametrize("preset", PRESETS)
def test_nothing_is_drawn(preset: str) -> None:
    config = tiny_preset(preset).model_copy(update={"vision": PRESETS[preset].vision})
    before = torch.get_rng_state()
    with Unfilled():
        RpBert(config)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_no_file_holds_is_there() -> None:
    config = tiny_preset("paper")
    with Unfilled():
        unfilled = RpBert(config)
    filled = RpBert(config)
    files = set(filled.state_dict())
    alone = {name: buffer for name, buffer in filled.named_buffers() if name not in files}
    assert alone
    for name, buffer in unfilled.named_buffers():
        if name in alone:
            assert torch.equal(buffer, alone[name])


def test_other_threads_draw_as_ever() -> None:
    with Unfilled(), ThreadPoolExecutor(1) as other:
        layer = other.submit(torch.nn.Linear, 8, 8).result()
    assert layer.weight.std() > 0
