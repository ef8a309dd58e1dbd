import subprocess
import sys

import timm
import torch
from torch import nn

from model.backbone import Backbone
from model.config import BLOCKS, PRESETS
from model.efficientnet_lite import EfficientNetLite0
from tests.model.tiny import tiny_config


@torch.inference_mode()
def test_every_preset_s_backbone_gives_a_seven_by_seven_grid() -> None:
    for config in {preset.vision for preset in PRESETS.values()}:
        backbone = Backbone(config).eval()
        pixels = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8)
        assert backbone(pixels).shape == (2, BLOCKS, config.channels)


@torch.inference_mode()
def test_blocks_run_along_the_rows() -> None:
    backbone = Backbone(tiny_config().vision).eval()
    pixels = torch.zeros(2, 224, 224, 3, dtype=torch.uint8)
    pixels[1, :32, -32:] = 255  # the upper right corner
    plain, marked = backbone(pixels)
    change = (plain - marked).abs().sum(dim=1).view(7, 7)
    assert change[:3, 4:].sum() > 1.5 * change[4:, :3].sum()


@torch.inference_mode()
def test_folded_norms_leave_the_features_as_they_were() -> None:
    torch.manual_seed(3)
    pixels = torch.randint(0, 256, (1, 224, 224, 3), dtype=torch.uint8)
    for config in {preset.vision for preset in PRESETS.values()}:
        backbone = Backbone(config).eval()
        norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                assert tensor is not None
                nn.init.uniform_(tensor, 0.8, 1.2)
        before = backbone(pixels)
        backbone.fold_norms()
        assert not any(isinstance(module, nn.BatchNorm2d) for module in backbone.modules())
        torch.testing.assert_close(backbone(pixels), before, atol=1e-4 * before.abs().max().item(), rtol=1e-4)


def test_the_digest_is_of_the_weights() -> None:
    torch.manual_seed(0)
    backbone, other = Backbone(tiny_config().vision), Backbone(tiny_config().vision)
    assert backbone.digest() != other.digest()
    other.load_state_dict(backbone.state_dict())
    assert backbone.digest() == other.digest()


@torch.inference_mode()
def test_efficientnet_lite0_is_timm_s_by_names_and_bits() -> None:
    theirs = timm.create_model("tf_efficientnet_lite0", num_classes=0, global_pool="")
    ours = EfficientNetLite0()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    pixels = torch.randn(2, 3, 224, 224)
    for training in (True, False):
        assert torch.equal(ours.train(training)(pixels), theirs.train(training)(pixels))


def test_a_worker_starts_without_torch_s_compiler() -> None:
    # Seconds of imports, in which a killed worker's partitions stand still.
    program = "import sys, workers.tagger.process; print('torch._dynamo' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"
