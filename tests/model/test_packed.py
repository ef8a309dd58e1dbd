"""What is packed for a CPU gives what it gave before, and in bf16 nothing worse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from model.backbone import Backbone
from model.config import PRESETS
from model.encoder import Encoder
from model.packed import PackedConvolution, PackedLinear, can_pack
from model.release import load_release

pytestmark = pytest.mark.skipif(not can_pack(), reason="this torch was built without oneDNN")


@pytest.fixture(autouse=True)
def _serving() -> Iterator[None]:
    torch.manual_seed(3)
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_release("small").model.encoder.eval()


def _read(encoder: Encoder) -> Tensor:
    torch.manual_seed(3)
    text, blocks = torch.randn(5, 12, encoder.embeddings.norm.normalized_shape[0]), torch.randn(5, 2, 49, 1)
    mask = torch.arange(12) < torch.tensor([[12], [3], [7], [12], [1]])
    gates = torch.tensor([[1.0, 0.0], [0.5, 1.0], [0.0, 0.0], [1.0, 1.0], [0.2, 0.0]])
    read: Tensor = encoder(text, mask, blocks.expand(-1, -1, -1, text.shape[2]), gates, rows=12)
    return read


def test_a_packed_linear_is_the_linear(subtests: pytest.Subtests) -> None:
    linear, rows = nn.Linear(40, 24), torch.randn(3, 7, 40)
    for gelu, plain in ((False, linear), (True, nn.Sequential(linear, nn.GELU()))):
        with subtests.test(gelu=gelu):
            torch.testing.assert_close(PackedLinear(linear, gelu=gelu)(rows), plain(rows))
            # Rows that lie apart, as those of a pass that writes only the first of each text.
            torch.testing.assert_close(PackedLinear(linear, gelu=gelu)(rows[:, :2]), plain(rows[:, :2]))


def test_a_packed_convolution_is_the_convolution(subtests: pytest.Subtests) -> None:
    maps = torch.randn(3, 8, 13, 13).to(memory_format=torch.channels_last)
    for convolution in (
        nn.Conv2d(8, 16, 3),
        nn.Conv2d(8, 16, 3, groups=8),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.Conv2d(8, 16, 3, dilation=2, bias=False),
    ):
        for activation in (nn.Identity(), nn.ReLU(), nn.ReLU6()):
            with subtests.test(str(activation), convolution=str(convolution)):
                packed = PackedConvolution(convolution, activation)
                # So large that ReLU6 cuts some off.
                torch.testing.assert_close(packed(20 * maps), activation(convolution(20 * maps)))


@pytest.mark.parametrize("preset", ["small", "paper"])
def test_a_packed_backbone_gives_the_same_features_also_for_other_numbers_of_pictures(preset: str) -> None:
    backbone = Backbone(PRESETS[preset].vision).eval()
    pixels = torch.randint(0, 256, (3, 224, 224, 3), dtype=torch.uint8)
    backbone.fold_norms()
    before = backbone(pixels)
    backbone.pack()
    assert not any(isinstance(module, nn.Conv2d) for module in backbone.modules())
    for count in (3, 1, 2):
        torch.testing.assert_close(
            backbone(pixels[:count]), before[:count], rtol=1e-4, atol=1e-4 * before.abs().max().item()
        )


def test_a_packed_encoder_reads_the_same(encoder: Encoder) -> None:
    packed = deepcopy(encoder)
    packed.pack_products()
    assert not any(isinstance(module, nn.Linear) for module in packed.layers.modules())
    torch.testing.assert_close(_read(packed), _read(encoder), rtol=1e-4, atol=1e-4)


def test_in_bf16_packing_brings_no_error_of_its_own(encoder: Encoder) -> None:
    """What follows a product is computed before it is rounded, not behind."""
    backbone = deepcopy(load_release("small").model.vision.eval())
    backbone.fold_norms()
    pixels = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8)
    exact = {"encoder": _read(encoder), "backbone": backbone(pixels)}
    rough, rough_backbone = deepcopy(encoder), deepcopy(backbone)
    rough.use_products_in(torch.bfloat16)
    rough_backbone.use_products_in(torch.bfloat16)
    runs: dict[str, Callable[[], Tensor]] = {
        "encoder": lambda: _read(rough),
        "backbone": lambda: rough_backbone(pixels).float(),
    }
    before = {name: (run() - exact[name]).square().mean() for name, run in runs.items()}
    rough.pack_products()
    rough_backbone.pack()
    for name, run in runs.items():
        assert run().dtype is torch.float32
        assert (run() - exact[name]).square().mean() <= 1.1 * before[name], name
