from collections.abc import Iterator
from random import Random

import pytest
import torch

from model import device
from model.device import pick_dtype, product_rate, ran_out_of_memory, threads_for

CPU = torch.device("cpu")


@pytest.fixture
def measured_anew() -> Iterator[None]:
    device._bf16_is_faster.cache_clear()
    yield
    device._bf16_is_faster.cache_clear()


@pytest.mark.usefixtures("measured_anew")
@pytest.mark.parametrize(
    ("speedup", "dtype"), [(0.5, torch.float32), (1.1, torch.float32), (2.0, torch.bfloat16)]
)
def test_bf16_is_taken_where_it_is_faster(
    monkeypatch: pytest.MonkeyPatch, speedup: float, dtype: torch.dtype
) -> None:
    """On processors that aren't here: all have the instructions, not all are fast at them."""
    rates = {torch.float32: 1e11, torch.bfloat16: speedup * 1e11}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setattr(device, "product_rate", lambda of, **_: rates[of])
    assert pick_dtype("auto", CPU) is dtype


@pytest.mark.usefixtures("measured_anew")
@pytest.mark.parametrize("speedup", [0.56, 1.9, 8.0])
@pytest.mark.parametrize("seed", range(20))
def test_workers_choose_alike_however_busy_the_machine_is(
    monkeypatch: pytest.MonkeyPatch, speedup: float, seed: int
) -> None:
    """Other work slows the core for a while, and now and then one product much more than the next."""
    random, slowed = Random(seed), 1.0

    def rate(of: torch.dtype, **_: object) -> float:
        nonlocal slowed
        slowed = max(0.3, min(1.0, slowed * random.uniform(0.8, 1.25)))
        disturbed = 0.4 if random.random() < 0.1 else 1.0
        return 1e11 * (speedup if of is torch.bfloat16 else 1.0) * slowed * disturbed

    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setattr(device, "product_rate", rate)
    assert (pick_dtype("auto", CPU) is torch.bfloat16) == (speedup > 1)


@pytest.mark.usefixtures("measured_anew")
def test_measuring_leaves_torch_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    pick_dtype("auto", CPU)
    assert torch.get_num_threads() == before


@pytest.mark.usefixtures("measured_anew")
def test_one_process_stays_with_what_it_has_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that comes in under load must have the features of the one before."""
    first = pick_dtype("auto", CPU)
    monkeypatch.setattr(device, "product_rate", lambda *_, **__: pytest.fail("measured twice"))
    assert pick_dtype("auto", CPU) is first


def test_the_rate_of_a_product_is_a_rate() -> None:
    assert product_rate(torch.float32, rows=16, columns=32, times=1) > 0


def test_running_out_of_memory_is_known_from_other_failures() -> None:
    assert ran_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert ran_out_of_memory(MemoryError())
    assert not ran_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))
    assert not ran_out_of_memory(ValueError("a post has at most 4 pictures"))


def test_the_cpu_s_allocator_is_understood() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert ran_out_of_memory(raised.value)


@pytest.mark.parametrize(
    ("rows", "width", "device", "threads"),
    [(150, 384, "cpu", 1), (151, 384, "cpu", 3), (70, 768, "cpu", 3), (150, 384, "cuda", 3)],
)
def test_a_wide_network_s_lone_post_is_shared(rows: int, width: int, device: str, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with threads_for(rows, width, torch.device(device)):
            assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
