"""Makes the bytes of pictures, good ones and others."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Colour = tuple[int, int, int]
QUARTERS: tuple[Colour, ...] = ((220, 30, 30), (30, 200, 40), (30, 40, 220), (230, 220, 40))
WHITE: Colour = (255, 255, 255)
GREY: Colour = (128, 128, 128)
PNG = b"\x89PNG\r\n\x1a\n"


def quarters(width: int = 96, height: int = 64) -> Image.Image:
    """The picture that is had whatever is done to it."""
    pixels = np.empty((height, width, 3), np.uint8)
    for place, colour in enumerate(QUARTERS):
        rows = slice(None, height // 2) if place < 2 else slice(height // 2, None)
        columns = slice(None, width // 2) if place % 2 == 0 else slice(width // 2, None)
        pixels[rows, columns] = colour
    return Image.fromarray(pixels)


@cache
def noise(form: str) -> bytes:
    """A picture of some size whose every byte counts."""
    pixels = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    return encoded(Image.fromarray(pixels), form)


def encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def good(form: str = "JPEG", **options: Any) -> bytes:
    return encoded(quarters(), form, **options)


def one_pixel(form: str) -> bytes:
    return encoded(Image.new("RGB", (1, 1), GREY), form)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int, height: int, *, depth: int = 8, colour: int = 2, interlace: int = 0, idat: bytes
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(idat)) + chunk(b"IEND", b"")


def with_chunks(*chunks: bytes) -> bytes:
    """A good PNG with these chunks behind its header."""
    data = good("PNG")
    header = len(PNG) + 25
    return data[:header] + b"".join(chunks) + data[header:]


def segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def with_segments(*segments: bytes, data: bytes | None = None) -> bytes:
    """A good JPEG with these segments behind its beginning."""
    data = good() if data is None else data
    return data[:2] + b"".join(segments) + data[2:]


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "text")
    return file.getvalue()


def cut_off(form: str, share: float) -> bytes:
    data = noise(form)
    return data[: max(12, round(share * len(data)))]


def jpeg_of_size(width: int, height: int) -> bytes:
    data = good()
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


def gif_of_size(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    data = bytearray(good("GIF"))
    data[6:10] = struct.pack("<HH", *screen)
    place = data.index(b",", 13 + 3 * (2 << (data[10] & 7)))
    data[place + 5 : place + 9] = struct.pack("<HH", *frame)
    return bytes(data)


def webp_of_size(width: int, height: int) -> bytes:
    data = good("WEBP", lossless=True)
    place = data.index(b"VP8L") + 9
    (bits,) = struct.unpack_from("<I", data, place)
    sized = (width - 1) | (height - 1) << 14 | bits & 0xF0000000
    return data[:place] + struct.pack("<I", sized) + data[place + 4 :]


def avif_of_size(real: tuple[int, int], declared: tuple[int, int]) -> bytes:
    """An AVIF whose container declares another size than its frame has."""
    data = encoded(Image.new("RGB", real, GREY), "AVIF", speed=10)
    return data.replace(b"ispe" + struct.pack(">III", 0, *real), b"ispe" + struct.pack(">III", 0, *declared))


def scans(side: int, scans: int) -> bytes:
    """A JPEG of so many scans, each of which goes over the whole picture and takes ten bytes."""
    data = encoded(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    scan = data[last : last + 10]
    return data[:last] + scan * scans + b"\xff\xd9"


def tags(entries: int, size: int) -> bytes:
    """EXIF whose every entry claims the same bytes, so that a reader copies them again and again."""
    table = b"".join(struct.pack("<HHII", tag, 7, size, 8) for tag in range(entries))
    data = b"II*\0" + struct.pack("<I", size + 8) + bytes(size) + struct.pack("<H", entries) + table
    return data + bytes(4)


def exif_segments(data: bytes) -> list[bytes]:
    step = 65_000
    return [segment(0xE1, b"Exif\0\0" + data[start : start + step]) for start in range(0, len(data), step)]


def film(form: str, frames: int = 60, **options: Any) -> bytes:
    others = [Image.new("RGB", (96, 64), (place, 0, 0)) for place in range(frames)]
    return encoded(quarters(), form, save_all=True, append_images=others, **options)


def deep(alpha: int | None = None) -> bytes:
    """A PNG with 16 bits a channel, which Pillow can't write."""
    pixels = np.asarray(quarters()).astype(">u2") * 257
    if alpha is not None:
        pixels = np.concatenate([pixels, np.full((*pixels.shape[:2], 1), alpha, ">u2")], axis=2)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
    return png(96, 64, depth=16, colour=2 if alpha is None else 6, idat=lines)


def interlaced() -> bytes:
    """A PNG in Adam7's seven passes (PNG, 8.2), which Pillow can't write."""
    pixels: npt.NDArray[np.uint8] = np.asarray(quarters())
    steps = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    passes = [pixels[top::down, left::right] for left, top, right, down in steps]
    return png(96, 64, interlace=1, idat=b"".join(b"\0" + line.tobytes() for part in passes for line in part))


def clear(form: str, mode: str = "RGBA") -> bytes:
    return encoded(Image.new(mode, (64, 64), 0), form)


_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def turned(orientation: int, form: str = "JPEG") -> bytes:
    """What a camera held so writes down of the quarters, with a note on how it was held."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = quarters()
    back = _BACK.get(orientation)
    return encoded(picture if back is None else picture.transpose(back), form, exif=exif)


def patched(form: str, place: bytes, by: bytes, skip: int = 4) -> bytes:
    data = good(form)
    start = data.index(place) + skip
    return data[:start] + by + data[start + len(by) :]
