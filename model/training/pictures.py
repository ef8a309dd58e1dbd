"""The pictures of a run: described once where the vision is frozen, decoded anew for each batch where not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from model.backbone import Backbone
from model.data.gold import DatasetError
from model.pictures import PictureError, decode

_BATCH: Final = 32
_THREADS: Final = 4

Describe = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float16]]
"""Pixels `(n, 224, 224, 3)` to block regions `(n, BLOCKS, channels)`."""

Track = Callable[[Sequence[Sequence[Path]]], Iterable[Sequence[Path]]]
"""Passes on what it is given and shows how far it is."""


class Pictures:
    """Pictures that can be decoded, by path.

    Attributes:
        digest: SHA-256 over the bytes of all, in order.
        broken: Pictures that can't be read or decoded; a post goes on without them.
    """

    def __init__(self, paths: Iterable[Path], describe: Describe | None, track: Track) -> None:
        """Read every picture once.

        Args:
            paths: the pictures; each counts once.
            describe: makes block regions, which are then kept; None to keep none and decode again.
            track: shows progress.
        """
        self._sound: set[Path] = set()
        self._regions: dict[Path, npt.NDArray[np.float16]] = {}
        self.broken: list[Path] = []
        digest = hashlib.sha256()
        every = sorted(set(paths))
        batches = [every[first : first + _BATCH] for first in range(0, len(every), _BATCH)]
        with ThreadPoolExecutor(_THREADS) as pool:
            for batch in track(batches):
                found: dict[Path, npt.NDArray[np.uint8]] = {}
                for path, (content, pixels) in zip(batch, pool.map(_read, batch), strict=True):
                    digest.update(content)
                    if pixels is None:
                        self.broken.append(path)
                    else:
                        found[path] = pixels
                self._sound.update(found)
                if describe is not None and found:
                    regions = describe(np.stack(list(found.values())))
                    self._regions.update(zip(found, regions, strict=True))
        self.digest = digest.hexdigest()

    def __contains__(self, path: Path) -> bool:
        return path in self._sound

    def __len__(self) -> int:
        return len(self._sound)

    def load(self, path: Path) -> npt.NDArray[Any]:
        """What training feeds: block regions `(BLOCKS, channels)`, fp16, or pixels `(224, 224, 3)`, uint8."""
        return self._regions[path] if self._regions else _decode_again(path)

    def regions(self, paths: Sequence[Path], describe: Describe) -> list[npt.NDArray[np.float16]]:
        """Block regions for measuring: those that are kept, or those of the network as it is now."""
        if self._regions:
            return [self._regions[path] for path in paths]
        batches = (paths[first : first + _BATCH] for first in range(0, len(paths), _BATCH))
        return [each for batch in batches for each in describe(np.stack([self.load(path) for path in batch]))]


def _decode_again(path: Path) -> npt.NDArray[np.uint8]:
    try:
        return decode(path.read_bytes())
    except (OSError, PictureError):
        raise DatasetError(
            f"{path}: was a picture when the run began and is none any more; put it back, then --resume"
        ) from None


def describe_with(vision: Backbone, device: torch.device) -> Describe:
    """Block regions by a backbone on its device, as they serve."""

    @torch.inference_mode()
    def describe(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float16]:
        regions: npt.NDArray[np.float16] = vision(torch.from_numpy(pixels).to(device)).half().cpu().numpy()
        return regions

    return describe


def _read(path: Path) -> tuple[bytes, npt.NDArray[np.uint8] | None]:
    """The SHA-256 of a picture's bytes, and its pixels if it has any."""
    try:
        content = path.read_bytes()
    except OSError:
        return b"", None
    try:
        return hashlib.sha256(content).digest(), decode(content)
    except PictureError:
        return hashlib.sha256(content).digest(), None
