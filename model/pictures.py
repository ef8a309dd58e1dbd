"""Bytes of a stranger's picture to the pixels that the backbone reads; the same in training and serving.

Every error text here is our own: what a decoder says about a hostile file stays inside.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, features
from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from model.config import PICTURE_SIZE

MAX_PIXELS: Final = 50_000_000
"""Pixels that a picture may declare; more are not decoded."""

DECODING: Final = "squash-224-1"
"""Names what `decode` makes of a picture; a change of its pixels needs a new name, for cached features."""

HEAD_BYTES: Final = 12
"""Bytes that are enough to tell a picture's format."""

# Pillow can be built without libavif.
_HAS_AVIF: Final = bool(features.check("avif"))

MEDIA_TYPES: Final = (
    *(("image/avif",) if _HAS_AVIF else ()),
    "image/webp",
    "image/jpeg",
    "image/png",
    "image/gif",
)
"""The accepted formats, those that say most in a byte first."""

# Each scan of a progressive JPEG goes over the whole picture and may take ten bytes, so ten megabytes of them
# keep a decoder busy for an hour. Encoders write about ten; those of a thumbnail and a stray one in a colour
# profile count too.
_MAX_SCANS: Final = 100
_SCAN: Final = b"\xff\xda"

_SQUARE: Final = (PICTURE_SIZE, PICTURE_SIZE)
_MAX_16_BIT: Final = 65_535
_WHITE: Final = (255, 255, 255, 255)
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PictureError(Exception):
    """The bytes give no picture."""


class NotAPicture(PictureError):
    """The bytes are of none of the accepted formats."""


class BrokenPicture(PictureError):
    """The bytes begin as a picture and can't be decoded to the end."""


class PictureTooLarge(PictureError):
    """The picture would cost more than we spend on one: pixels, scans or memory."""


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> npt.NDArray[np.uint8]:
    """Decode a picture, of an animation its first frame, and squash the whole of it to the backbone's square.

    JPEG, PNG, WebP and GIF, and AVIF where Pillow has it.

    Nothing is cropped: what a post shows may stand at the picture's edge. Turned upright by its EXIF
    orientation; transparency lies on white.

    Args:
        data: the file's bytes.
        max_pixels: the most that the file may declare, judged before any is decoded.

    Returns:
        uint8 RGB `(224, 224, 3)`.

    Raises:
        NotAPicture: none of the accepted formats.
        PictureTooLarge: more than `max_pixels`, too many scans, or not enough memory for it.
        BrokenPicture: cut short or corrupt.
    """
    reader = _format(data)
    if reader is None:
        raise NotAPicture("the bytes are no JPEG, PNG, WebP, GIF or AVIF")
    try:
        with reader(io.BytesIO(data)) as picture:
            _check_size(picture, max_pixels)
            _check_scans(picture, data)
            # A JPEG decodes at a fraction of its size at a fraction of the cost.
            picture.draft("RGB", (2 * PICTURE_SIZE, 2 * PICTURE_SIZE))
            picture.load()
            squashed = _squash(picture)
            turn = _UPRIGHT.get(_orientation(picture))
            return np.array(squashed if turn is None else squashed.transpose(turn))
    except PictureError:
        raise
    except (Image.DecompressionBombError, MemoryError):
        raise PictureTooLarge("the picture swells to more than is decoded") from None
    except Exception:  # noqa: BLE001 - a decoder fed hostile bytes may raise anything
        raise BrokenPicture("the picture is cut short or corrupt") from None


def begins_like_a_picture(head: bytes | bytearray) -> bool:
    """Whether the first `HEAD_BYTES` are those of an accepted format."""
    return _format(head) is not None


def _format(head: bytes | bytearray) -> Callable[[io.BytesIO], ImageFile] | None:
    """The decoder that the first bytes ask for.

    `Image.open` would judge the size by a limit that is global to the process, and by a warning.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return JpegImageFile
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if head.startswith((b"GIF87a", b"GIF89a")):
        return GifImageFile
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WebPImageFile
    if _HAS_AVIF and bytes(head[4:12]) in {b"ftypavif", b"ftypavis"}:
        return AvifImageFile
    return None


def _check_size(picture: Image.Image, max_pixels: int) -> None:
    width, height = picture.size
    if width * height > max_pixels:
        raise PictureTooLarge(f"{width} x {height} pixels are more than the {max_pixels} that are decoded")


def _check_scans(picture: Image.Image, data: bytes) -> None:
    if isinstance(picture, JpegImageFile) and data.count(_SCAN) > _MAX_SCANS:
        raise PictureTooLarge(f"more than {_MAX_SCANS} scans are not decoded")


def _squash(picture: Image.Image) -> Image.Image:
    """Any mode to an RGB square: 16 bits scaled, palettes looked up, transparency laid on white."""
    if picture.mode.startswith("I"):
        scaled = np.asarray(picture, np.float32) * (255 / _MAX_16_BIT)
        picture = Image.fromarray(scaled.clip(0, 255).astype(np.uint8))
    if not picture.has_transparency_data:
        return picture.convert("RGB").resize(_SQUARE, Image.Resampling.BILINEAR)
    square = picture.convert("RGBA").resize(_SQUARE, Image.Resampling.BILINEAR)
    return Image.alpha_composite(Image.new("RGBA", _SQUARE, _WHITE), square).convert("RGB")


def _orientation(picture: Image.Image) -> int:
    """EXIF orientation, 1 where there is none to be read."""
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - a corrupt note on a sound picture
        return 1
