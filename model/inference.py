"""What a worker calls: a loaded release that tags posts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from torch import Tensor

from model.batch import Batch, collate
from model.config import BLOCKS, PICTURE_SIZE, GateKind
from model.crf import Chain, forward_backward, viterbi
from model.device import DeviceError, pick_device, pick_dtype, threads_for
from model.explain import VisualAttention, visual_attention
from model.gates import related
from model.golden import require_golden
from model.manifest import Fault
from model.packed import can_pack
from model.pictures import DECODING
from model.release import Release, ReleaseError, load_release
from model.spans import conlleval_spans, span_probability
from model.words import PreparedText, WordPieces
from schemas import MAX_IMAGES, Entity, EntityType

__all__ = ["PreparedText", "ReleaseError", "TagRequest", "Tagger", "Tagging"]

_WARM_UP_TEXT: Final = "Anita Borg speaks in Lisbon tonight"


@dataclass(frozen=True, slots=True)
class TagRequest:
    """A post as the network takes it: its text, and `(BLOCKS, channels)` regions of each picture."""

    text: PreparedText
    pictures: tuple[npt.NDArray[np.float16], ...] = ()


@dataclass(frozen=True, slots=True)
class Tagging:
    """What was found in a post: entities in the order of the text, P(related) of each picture."""

    entities: tuple[Entity, ...]
    relevance: tuple[float, ...]


class Tagger:
    """A release in service.

    `prepare` may be called from any thread, everything else from one at a time.
    """

    def __init__(self, release: Release, *, device: torch.device, dtype: torch.dtype) -> None:
        self.name = release.name
        self.version = release.version
        self.golden = release.golden
        config = release.model.config
        self.gate = config.gate
        self.dtype = _name(dtype)
        self.feature_channels = config.vision.channels
        self._tags = config.tags
        self._pieces = WordPieces(release.tokenizer, window=config.window, overlap=config.overlap)
        self._device = device
        self._model = release.model.eval().requires_grad_(requires_grad=False).to(device)
        weights_digest = self._model.vision.digest()
        self._model.vision.fold_norms()
        self._chain = Chain.of(self._model.tagger.crf, self._tags)
        vision = vision_dtype(device, dtype)
        self.vision_dtype = _name(vision)
        self._model.vision.use_products_in(vision)
        if dtype is torch.bfloat16:
            self._model.encoder.use_products_in(dtype)
        if device.type == "cpu" and can_pack():
            self._model.vision.pack()
            # The library behind torch's products in fp32 lays weights out by itself.
            if dtype is torch.bfloat16:
                self._model.encoder.pack_products()
        # Features of two precisions are two features.
        self.backbone_digest = f"{weights_digest}-{DECODING}-{self.vision_dtype}"

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self._device

    @classmethod
    def load(
        cls,
        release: str,
        *,
        device: str = "auto",
        dtype: str = "auto",
        gate: GateKind | None = None,
        key: Ed25519PublicKey | None = None,
        progress: Callback = DEFAULT_CALLBACK,
    ) -> Tagger:
        """Load a release for service.

        Args:
            release: name of a packaged release, a directory, a store with channel or version, or a hub name.
            device: `auto` (CUDA where it is), or a torch device.
            dtype: of the matrix products: `auto` (bf16 where this device is measured to multiply it faster),
                `float32` or `bfloat16`.
            gate: another gate than the release's own, for ablation.
            key: whose owner must have signed the release; None to ask for no signature.
            progress: told of what is fetched from a store.

        Raises:
            ReleaseError: the release, the device or the dtype can't be used, or the signature is not there.
        """
        try:
            where = pick_device(device)
            products = pick_dtype(dtype, where)
        except DeviceError as error:
            raise ReleaseError(str(error)) from None
        loaded = load_release(release, key=key, progress=progress)
        if gate is not None:
            loaded.model.config = loaded.model.config.model_copy(update={"gate": gate})
        return cls(loaded, device=where, dtype=products)

    def prepare(self, text: str) -> PreparedText:
        """Cut a text into words, word pieces and windows."""
        return self._pieces.prepare(text)

    def prepare_words(self, words: Sequence[str]) -> PreparedText:
        """The same for a text that comes in words, as the data sets do."""
        return self._pieces.prepare_words(words)

    @torch.inference_mode()
    def describe(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float16]:
        """Block regions of pictures: RGB `(n, 224, 224, 3)` to `(n, BLOCKS, channels)`.

        Rounded to fp16, so that a cached feature and a fresh one are the same bits.
        """
        on_device = torch.tensor(pixels).to(self._device)
        features: npt.NDArray[np.float16] = self._model.vision(on_device).half().cpu().numpy()
        return features

    @torch.inference_mode()
    def tag(self, requests: Sequence[TagRequest]) -> list[Tagging]:
        """Tag posts, as many out as in; lengths and numbers of pictures may be mixed.

        Raises:
            ValueError: a post has more than `MAX_IMAGES` pictures.
        """
        if not requests:
            return []
        if any(len(request.pictures) > MAX_IMAGES for request in requests):
            raise ValueError(f"a post has at most {MAX_IMAGES} pictures")
        batch = collate(
            [request.text for request in requests],
            [request.pictures for request in requests],
            channels=self.feature_channels,
        ).to(self._device)
        rows = sum(request.text.length + BLOCKS * len(request.pictures) for request in requests)
        with threads_for(rows, self._model.config.encoder.hidden, self._device):
            logits, emissions = self._model(batch)
            relevance = iter(related(logits).cpu().tolist())
            entities = self._entities([request.text for request in requests], emissions, batch)
        return [
            Tagging(found, tuple(next(relevance) for _ in request.pictures))
            for request, found in zip(requests, entities, strict=True)
        ]

    @torch.inference_mode()
    def explain(self, request: TagRequest) -> tuple[Tagging, VisualAttention]:
        """Tag one post, and tell where its entities look in its pictures, before and behind the gate.

        Raises:
            ValueError: the post has more than `MAX_IMAGES` pictures.
        """
        (tagging,) = self.tag([request])
        batch = collate([request.text], [request.pictures], channels=self.feature_channels).to(self._device)
        first = {word.start: index for index, word in enumerate(request.text.words)}
        behind = {word.end: index + 1 for index, word in enumerate(request.text.words)}
        entities = [range(first[entity.start], behind[entity.end]) for entity in tagging.entities]
        return tagging, visual_attention(self._model, batch, entities)

    def warm_up(self) -> None:
        """Run every part once, so that the first post does not pay for first times."""
        pixels = np.zeros((1, PICTURE_SIZE, PICTURE_SIZE, 3), np.uint8)
        regions = self.describe(pixels)[0]
        text = self.prepare(_WARM_UP_TEXT)
        self.tag([TagRequest(text), TagRequest(text, (regions,)), TagRequest(text, (regions,) * MAX_IMAGES)])

    def rehearse(self, *, posts: int, tokens: int) -> None:
        """What a release does before it serves: its warm-up, a batch, its golden posts.

        On a device with a memory of its own the batch is a whole one, and takes that memory now rather than
        from somebody's posts. A CPU's memory is free again behind each batch, and its cores are those that
        tag meanwhile, so there the batch is of one post.

        Args:
            posts: the most posts in a batch.
            tokens: the most word pieces and block regions in a batch.

        Raises:
            ReleaseError: a golden post comes out wrong, or a score is no probability.
        """
        self.warm_up()
        text = self.prepare(_WARM_UP_TEXT)
        regions = np.zeros((BLOCKS, self.feature_channels), np.float16)
        whole = min(posts, max(1, tokens // (text.length + BLOCKS)))
        count = 1 if self._device.type == "cpu" else whole
        taggings = self.tag([TagRequest(text, (regions,))] * count)
        if not all(0 <= score <= 1 for tagging in taggings for score in tagging.relevance):
            raise ReleaseError(
                f"{self.name}/{self.version} gives a relation score that is no probability; train it anew",
                Fault.MODEL,
            )
        for each in self.golden:
            require_golden(f"{self.name}/{self.version}", each, self.entities_of(each.post.text))

    def entities_of(self, text: str) -> tuple[Entity, ...]:
        """What is found in a text alone."""
        (tagging,) = self.tag([TagRequest(self.prepare(text))])
        return tagging.entities

    def _entities(
        self, texts: Sequence[PreparedText], emissions: Tensor, batch: Batch
    ) -> list[tuple[Entity, ...]]:
        """Best path and exact posteriors, in fp64: a long text's log sums run into the thousands."""
        emissions = emissions.double()
        lengths = batch.word_counts.to(self._device)
        chain = self._chain.double()
        paths = viterbi(emissions, lengths, chain).cpu().numpy()
        lattice = forward_backward(emissions, lengths, chain)
        scores, prefixes, suffixes = (
            tensor.cpu().numpy() for tensor in (emissions, lattice.prefixes, lattice.suffixes)
        )
        totals = lattice.total.tolist()
        transitions, ends = chain.transitions.cpu().numpy(), chain.ends.cpu().numpy()
        found = []
        for post, text in enumerate(texts):
            count = len(text.words)
            spans = conlleval_spans([self._tags[tag] for tag in paths[post, :count]])
            found.append(
                tuple(
                    _entity(
                        text,
                        span.kind,
                        span.start,
                        span.end,
                        span_probability(
                            span,
                            self._tags,
                            emissions=scores[post, :count],
                            transitions=transitions,
                            ends=ends,
                            prefixes=prefixes[post, :count],
                            suffixes=suffixes[post, :count],
                            total=totals[post],
                        ),
                    )
                    for span in spans
                )
            )
        return found


def vision_dtype(device: torch.device, dtype: torch.dtype) -> torch.dtype:
    """Of the backbone's convolutions: where the encoder takes bf16, fp16 on CUDA, and fp32 on a CPU.

    bf16's 8 bits of a mantissa, convolution after convolution, move relation scores by up to 0.06. fp16 has
    11, and a feature is rounded to it anyway; no CPU that we measured convolves faster in it than in fp32.
    """
    return torch.float16 if dtype is torch.bfloat16 and device.type == "cuda" else torch.float32


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _entity(text: PreparedText, kind: str, first: int, behind: int, score: float) -> Entity:
    start, end = text.words[first].start, text.words[behind - 1].end
    return Entity(type=EntityType(kind), text=text.text[start:end], start=start, end=end, score=score)
