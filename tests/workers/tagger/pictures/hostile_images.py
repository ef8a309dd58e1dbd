"""Pictures that are no pictures, lie about themselves, cost too much, or only look odd; all made by code.

`IMAGES` says of each what becomes of it. A picture that is had must show `QUARTERS`: red, green, blue and
yellow from left to right and top to bottom, unless it names one colour.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from schemas import ImageStatus
from tests.workers.tagger.pictures.picture_bytes import (
    GREY,
    PNG,
    WHITE,
    Colour,
    archive,
    avif_of_size,
    chunk,
    clear,
    cut_off,
    deep,
    encoded,
    exif_segments,
    film,
    gif_of_size,
    good,
    interlaced,
    jpeg_of_size,
    one_pixel,
    patched,
    png,
    quarters,
    scans,
    segment,
    tags,
    turned,
    webp_of_size,
    with_chunks,
    with_segments,
)


@dataclass(frozen=True)
class Hostile:
    """A picture's bytes, what becomes of it, and the one colour that it shows instead of the quarters."""

    make: Callable[[], bytes]
    status: ImageStatus
    colour: Colour | None = None


IMAGES: dict[str, Hostile] = {}


def _add(name: str, make: Callable[[], bytes], status: ImageStatus, colour: Colour | None = None) -> None:
    assert name not in IMAGES
    IMAGES[name] = Hostile(make, status, colour)


# No picture of ours, whatever its sender calls it.
_NOT = ImageStatus.NOT_A_PICTURE


for _form in ("BMP", "TIFF", "ICO", "PPM", "PCX", "TGA", "JPEG2000", "SGI", "ICNS", "DDS"):
    _add(f"a {_form}", partial(good, _form), _NOT)
for _name, _data in {
    "nothing": b"",
    "one byte": b"\xff",
    "half a GIF's first word": b"GIF8",
    "PostScript, which some libraries run": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "PDF": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj",
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "SVG that reads a file": b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>",
    "MVG, which ImageMagick ran": b"push graphic-context\nviewbox 0 0 9 9\nfill 'url(http://127.0.0.1/)'",
    "page": b"<!doctype html><title>no</title><p>not a picture</p>",
    "page behind a BOM": b"\xef\xbb\xbf<html><body>not a picture</body></html>",
    "gzip": zlib.compress(bytes(100), wbits=31),
    "program": b"\x7fELF\x02\x01\x01" + bytes(64),
    "HEIC": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
    "MP4": b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2",
    "sound in a RIFF": b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(32),
    "film in a RIFF": b"RIFF\x24\x00\x00\x00AVI LIST" + bytes(32),
    "Photoshop": b"8BPS\x00\x01" + bytes(32),
    "FITS": b"SIMPLE  =                    T" + bytes(64),
    "PNG with line ends changed": b"\x89PNG\n\x1a\n" + bytes(64),
}.items():
    _add(_name, partial(bytes, _data), _NOT)
_add("an archive", archive, _NOT)
_add("an archive with a JPEG in it", lambda: archive() + good(), _NOT)

# Cut short.
_FORMS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")


for _form in _FORMS:
    for _share in (0.0, 0.01, 0.1, 0.5, 0.9, 0.99):
        _add(f"{_form} cut off at {_share:.0%}", partial(cut_off, _form, _share), ImageStatus.BROKEN)

# Too large, or said to be.
_LARGE = ImageStatus.TOO_LARGE


_bomb = zlib.compress(bytes(50_000_000))
_add("PNG of 30,000 x 30,000", partial(png, 30_000, 30_000, idat=bytes(1_000_000)), _LARGE)
_add("PNG of two thousand million pixels a line", partial(png, 2**31 - 1, 1, idat=b""), _LARGE)
_add("PNG of the largest sides", partial(png, 2**31 - 1, 2**31 - 1, idat=b""), _LARGE)
_add("JPEG of 65,500 x 65,500", partial(jpeg_of_size, 65_500, 65_500), _LARGE)
_add("JPEG of 500,000 scans", partial(scans, 64, 500_000), _LARGE)
_add("GIF of 65,535 x 65,535", partial(gif_of_size, (65_535, 65_535), (96, 64)), _LARGE)
_add("GIF with a frame larger than its screen", partial(gif_of_size, (9, 9), (65_535, 65_535)), _LARGE)
_add("WebP of 16,384 x 16,384", partial(webp_of_size, 16_384, 16_384), _LARGE)
_add("WebP of 16,000 x 16,000", partial(webp_of_size, 16_000, 16_000), _LARGE)
_add("AVIF of 30,000 x 30,000", partial(avif_of_size, (64, 64), (30_000, 30_000)), ImageStatus.BROKEN)
_add("AVIF of 16,000 x 16,000", partial(avif_of_size, (64, 64), (16_000, 16_000)), _LARGE)

# Small files that swell.
_add(
    "PNG with a text that swells a thousandfold",
    lambda: with_chunks(chunk(b"zTXt", b"a\0\0" + _bomb)),
    ImageStatus.BROKEN,
)
_add(
    "PNG with an international text that swells",
    lambda: with_chunks(chunk(b"iTXt", b"a\0\1\0\0\0" + _bomb)),
    ImageStatus.BROKEN,
)
_add(
    "PNG with a colour profile that swells",
    lambda: with_chunks(chunk(b"iCCP", b"a\0\0" + _bomb)),
    ImageStatus.BROKEN,
)
_add(
    "PNG with 500 texts that swell",
    lambda: with_chunks(*500 * [chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(900_000)))]),
    ImageStatus.BROKEN,
)
_add(
    "PNG of one pixel with 50 million bytes behind it",
    lambda: png(1, 1, idat=b"\0" + bytes(GREY) + bytes(50_000_000)),
    ImageStatus.OK,
    GREY,
)
_add("PNG of 100,000 empty chunks", lambda: with_chunks(chunk(b"tEXt", b"") * 100_000), ImageStatus.OK)
_add("JPEG of 300,000 empty segments", lambda: with_segments(segment(0xFE, b"") * 300_000), ImageStatus.OK)
_add("JPEG behind a million filling bytes", lambda: with_segments(b"\xff" * 1_000_000), ImageStatus.OK)


_add(
    "JPEG with EXIF that claims 20 GB",
    lambda: with_segments(*exif_segments(tags(20_000, 1_000_000))),
    ImageStatus.OK,
)
_add(
    "PNG with EXIF that claims 20 GB",
    lambda: with_chunks(chunk(b"eXIf", tags(20_000, 1_000_000))),
    ImageStatus.OK,
)
_add(
    "JPEG with five megabytes of EXIF",
    lambda: with_segments(*exif_segments(bytes(5_000_000))),
    ImageStatus.OK,
)
_add(
    "JPEG with five megabytes of comment",
    lambda: with_segments(*77 * [segment(0xFE, b"x" * 65_000)]),
    ImageStatus.OK,
)
_add(
    "PNG with five megabytes of text",
    lambda: with_chunks(*77 * [chunk(b"tEXt", b"a\0" + b"x" * 65_000)]),
    ImageStatus.OK,
)
_add("JPEG with a megabyte of colour profile", lambda: good(icc_profile=bytes(1_000_000)), ImageStatus.OK)

# Many frames: the first counts.


for _form in ("GIF", "WEBP", "PNG", "AVIF"):
    _add(f"animated {_form}", partial(film, _form), ImageStatus.OK)

# Odd, and to be had.
for _form in _FORMS:
    _add(
        f"{_form} of one pixel",
        partial(one_pixel, _form),
        ImageStatus.OK,
        GREY,
    )
_add("PNG of 30,000 x 1", lambda: encoded(Image.new("RGB", (30_000, 1), GREY), "PNG"), ImageStatus.OK, GREY)
_add("PNG of 1 x 30,000", lambda: encoded(Image.new("RGB", (1, 30_000), GREY), "PNG"), ImageStatus.OK, GREY)
_add("JPEG of 30,000 x 64", lambda: encoded(quarters(30_000, 64), "JPEG"), ImageStatus.OK)
_add("JPEG of 7,000 x 7,000", lambda: encoded(quarters(7_000, 7_000), "JPEG"), ImageStatus.OK)
_add("PNG of more pixels than are decoded", lambda: encoded(Image.new("1", (7_100, 7_100)), "PNG"), _LARGE)
_add("CMYK JPEG", lambda: encoded(quarters().convert("CMYK"), "JPEG"), ImageStatus.OK)
_add(
    "CMYK JPEG, progressive",
    lambda: encoded(quarters().convert("CMYK"), "JPEG", progressive=True),
    ImageStatus.OK,
)
_add("grey JPEG", lambda: encoded(Image.new("L", (64, 64), 128), "JPEG"), ImageStatus.OK, GREY)
_add("progressive JPEG", partial(good, progressive=True), ImageStatus.OK)
_add("JPEG without subsampling", partial(good, subsampling=0), ImageStatus.OK)
_add("JPEG with restart markers", partial(good, restart_marker_blocks=1), ImageStatus.OK)
_add("JPEG with a broken colour profile", partial(good, icc_profile=b"\xff" * 200), ImageStatus.OK)
_add("PNG with a broken colour profile", partial(good, "PNG", icc_profile=b"\xff" * 200), ImageStatus.OK)
_add(
    "palette PNG",
    lambda: encoded(quarters().convert("P", palette=Image.Palette.ADAPTIVE), "PNG"),
    ImageStatus.OK,
)
_add("one-bit PNG", lambda: encoded(Image.new("1", (64, 64), 1), "PNG"), ImageStatus.OK, WHITE)
_add(
    "grey PNG with 16 bits",
    lambda: encoded(Image.fromarray(np.full((64, 64), 32_896, np.uint16)), "PNG"),
    ImageStatus.OK,
    GREY,
)


_add("PNG with 16 bits a channel", deep, ImageStatus.OK)
_add("PNG with 16 bits a channel, transparent", partial(deep, 0), ImageStatus.OK, WHITE)
_add("interlaced PNG", interlaced, ImageStatus.OK)
_add("transparent PNG", partial(clear, "PNG"), ImageStatus.OK, WHITE)
_add("transparent grey PNG", partial(clear, "PNG", "LA"), ImageStatus.OK, WHITE)
_add("transparent WebP", partial(clear, "WEBP"), ImageStatus.OK, WHITE)
_add("transparent AVIF", partial(clear, "AVIF"), ImageStatus.OK, WHITE)
_add(
    "PNG with one transparent colour",
    lambda: encoded(Image.new("P", (64, 64), 0), "PNG", transparency=0),
    ImageStatus.OK,
    WHITE,
)
_add(
    "transparent GIF",
    lambda: encoded(Image.new("P", (64, 64), 0), "GIF", transparency=0),
    ImageStatus.OK,
    WHITE,
)

for _orientation in range(1, 9):
    _add(f"JPEG turned by EXIF orientation {_orientation}", partial(turned, _orientation), ImageStatus.OK)
for _form in ("PNG", "WEBP", "AVIF"):
    _add(f"{_form} turned by EXIF orientation 6", partial(turned, 6, _form), ImageStatus.OK)
for _orientation in (0, 9, 65_535):
    _add(f"JPEG with EXIF orientation {_orientation}", partial(turned, _orientation), ImageStatus.OK)
_add(
    "JPEG with EXIF that is none",
    lambda: with_segments(segment(0xE1, b"Exif\0\0II*\0" + b"\xff" * 60)),
    ImageStatus.OK,
)

# Two things in one.
_add("JPEG that is an archive too", lambda: good() + archive(), ImageStatus.OK)
_add(
    "JPEG that is a page too",
    lambda: with_segments(segment(0xFE, b"<html><script>alert(1)</script>")),
    ImageStatus.OK,
)
_add(
    "JPEG that is a PDF too",
    lambda: with_segments(segment(0xFE, b"%PDF-1.7\n1 0 obj<<>>endobj")),
    ImageStatus.OK,
)
_add("PNG with a program behind it", lambda: good("PNG") + b"\x7fELF" + bytes(1_000), ImageStatus.OK)
_add("GIF that is a script too", lambda: b"GIF89a/*" + bytes(5) + b"*/=1;alert(1)", ImageStatus.BROKEN)
_add("JPEG in a PNG's name", lambda: PNG + good(), ImageStatus.BROKEN)
_add("GIF in a WebP's name", lambda: b"RIFF\x40\0\0\0WEBP" + good("GIF"), ImageStatus.BROKEN)

# Corrupt.


_add("PNG of no pixels", partial(png, 0, 0, idat=b""), ImageStatus.BROKEN)
_add(
    "PNG with a header that doesn't add up",
    partial(patched, "PNG", b"IHDR", b"\0\0\0\x61"),
    ImageStatus.BROKEN,
)
_add(
    "PNG without data",
    lambda: PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0)) + chunk(b"IEND", b""),
    ImageStatus.BROKEN,
)
_add("PNG with data that is none", partial(patched, "PNG", b"IDAT", b"\xff" * 8), ImageStatus.BROKEN)
_add("PNG with an unknown kind of colour", partial(png, 9, 9, colour=5, idat=bytes(100)), ImageStatus.BROKEN)
_add("PNG with a chunk of four gigabytes", lambda: with_chunks(b"\xff\xff\xff\xfftEXt"), ImageStatus.BROKEN)
_add("JPEG of a beginning only", lambda: b"\xff\xd8\xff\xe0" + bytes(100), ImageStatus.BROKEN)
_add("JPEG without a scan", lambda: good()[: good().index(b"\xff\xda")] + b"\xff\xd9", ImageStatus.BROKEN)
_add("JPEG of no pixels", partial(jpeg_of_size, 0, 0), ImageStatus.BROKEN)
_add(
    "JPEG with two sizes",
    lambda: with_segments(segment(0xC0, b"\x08\x00\x09\x00\x09\x01\x01\x11\x00")),
    ImageStatus.BROKEN,
)
_add("GIF without a frame", lambda: b"GIF89a\x09\x00\x09\x00\x00\x00\x00;", ImageStatus.BROKEN)
_add("GIF of no pixels", partial(gif_of_size, (0, 0), (0, 0)), ImageStatus.BROKEN)
_add(
    "WebP with a chunk larger than the file",
    partial(patched, "WEBP", b"VP8 ", b"\xff\xff\xff\x7f"),
    ImageStatus.BROKEN,
)
_add(
    "AVIF of boxes that hold one another",
    lambda: b"\0\0\0\x14ftypavif\0\0\0\0avif" + b"\0\0\0\x08meta" * 50_000,
    ImageStatus.BROKEN,
)
_add("AVIF with data that is none", lambda: good("AVIF")[:-300] + b"\xff" * 300, ImageStatus.BROKEN)
