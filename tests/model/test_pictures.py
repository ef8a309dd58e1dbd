import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from model.pictures import BrokenPicture, NotAPicture, PictureError, PictureTooLarge, decode

RED, BLUE = (255, 0, 0), (0, 0, 255)


def halves(width: int = 400, height: int = 300) -> Image.Image:
    """Left half red, right half blue."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(BLUE, (width // 2, 0, width, height))
    return picture


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def looks(pixels: np.ndarray, row: int, column: int, expected: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixels[row, column].astype(int) - expected).max() < 40)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_the_whole_picture_is_there_squashed(kind: str) -> None:
    pixels = decode(encoded(halves(1600, 300), kind))
    assert pixels.shape == (224, 224, 3)
    assert pixels.dtype == np.uint8
    assert looks(pixels, 112, 2, RED)
    assert looks(pixels, 112, 221, BLUE)


def test_a_phone_s_picture_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: left is up
    pixels = decode(encoded(halves(), "JPEG", exif=exif))
    assert looks(pixels, 2, 112, RED)
    assert looks(pixels, 221, 112, BLUE)


@pytest.mark.parametrize("mode", ["CMYK", "L", "1", "P", "LA", "RGBA", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    white = Image.new("RGB", (40, 30), (255, 255, 255))
    picture = Image.fromarray(np.full((30, 40), 65_535, np.uint16)) if mode == "I;16" else white.convert(mode)
    pixels = decode(encoded(picture, "JPEG" if mode == "CMYK" else "PNG"))
    assert pixels.shape == (224, 224, 3)
    assert pixels.min() > 250


def test_what_is_transparent_is_white() -> None:
    clear = Image.new("RGBA", (30, 30), (0, 0, 0, 0))
    palette = Image.new("P", (30, 30), 0)
    for data in (encoded(clear, "PNG"), encoded(palette, "PNG", transparency=0), encoded(clear, "WEBP")):
        assert decode(data).min() == 255


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (20, 20), shade) for shade in (RED, BLUE)]
    assert looks(decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])), 100, 100, RED)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_picture_cut_short_is_broken(kind: str) -> None:
    random = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    data = encoded(Image.fromarray(random), kind)
    for share in (0.02, 0.5, 0.9):
        with pytest.raises(BrokenPicture):
            decode(data[: round(share * len(data))])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF",
        b"<svg/>",
        b"<html>no</html>",
        encoded(halves(), "BMP"),
        encoded(halves(), "TIFF"),
        b"%PDF-1.7",
    ],
)
def test_what_is_no_picture_of_ours_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(NotAPicture):
        decode(data)


def huge_png(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("side", [8_000, 10_000, 60_000])
def test_a_bomb_is_not_decoded_and_nothing_else_is_said_of_it(side: int) -> None:
    with pytest.raises(PictureTooLarge, match=f"{side} x {side}"):
        decode(huge_png(side, side))


def test_the_cap_can_be_set() -> None:
    with pytest.raises(PictureTooLarge):
        decode(encoded(halves(), "JPEG"), max_pixels=400 * 300 - 1)
    assert decode(encoded(halves(), "JPEG"), max_pixels=400 * 300).shape == (224, 224, 3)


def test_only_so_many_scans_are_decoded() -> None:
    whole = encoded(halves(), "JPEG", progressive=True)
    start = whole.rindex(b"\xff\xda")
    last, scans = whole[start:-2], whole.count(b"\xff\xda")
    assert decode(whole[:start] + last * (101 - scans) + b"\xff\xd9").shape == (224, 224, 3)
    with pytest.raises(PictureTooLarge, match="more than 100 scans"):
        decode(whole[:start] + last * (102 - scans) + b"\xff\xd9")


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_a_corrupt_exif_does_not_cost_the_picture() -> None:
    data = encoded(halves(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f" + b"\xff" * 40)
    assert looks(decode(data), 112, 2, RED)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from(["JPEG", "PNG", "WEBP", "GIF"]), st.integers(0, 10_000), st.binary(min_size=1, max_size=9)
)
def test_hostile_bytes_end_in_our_own_words(kind: str, place: int, patch: bytes) -> None:
    data = bytearray(encoded(halves(64, 48), kind))
    start = place % len(data)
    data[start : start + len(patch)] = patch
    with contextlib.suppress(PictureError):
        assert decode(bytes(data)).shape == (224, 224, 3)
