"""Each hostile picture is asked for over HTTP as a post's picture is, of one service for all."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future

import numpy as np
import pytest

from schemas import ImageStatus
from tests.workers.tagger.pictures.conftest import CHANNELS, LOOPBACK
from tests.workers.tagger.pictures.hostile_images import IMAGES
from tests.workers.tagger.pictures.picture_bytes import QUARTERS
from workers.local.picture_host import PictureHost
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.picture import Picture
from workers.tagger.pictures.service import PictureService

Ask = Callable[[str, bytes], Picture]
_CENTRES = ((56, 56), (56, 168), (168, 56), (168, 168))


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    # Time enough for a machine under load: that a picture is too slow to decode is the tests' of the decoder.
    settings = PictureSettings(
        redis_url=None,
        allow_network=LOOPBACK,
        decode_processes=1,
        decode_timeout=120,
        fetch_timeout=60,
        fetch_read_timeout=60,
    )
    service = PictureService(
        settings, backbone_digest="backbone", feature_channels=CHANNELS, metrics=Metrics()
    )
    with PictureHost() as host:
        service.start()

        def asked(name: str, data: bytes) -> Picture:
            url = host.add(name, data, content_type="image/jpeg")
            answer: Future[tuple[Picture, ...]] = Future()
            service.submit((url,), answer.set_result)
            (picture,) = answer.result(150)
            host.remove(name)
            return picture

        yield asked
        service.close()


@pytest.mark.attack("{name}", "{status}")
@pytest.mark.parametrize(
    ("name", "status"), [(name, str(image.status)) for name, image in IMAGES.items()], ids=list(IMAGES)
)
def test_a_hostile_picture(ask: Ask, name: str, status: str) -> None:
    image = IMAGES[name]
    picture = ask(name, image.make())
    assert picture.status == status
    if picture.status is ImageStatus.OK:
        assert picture.pixels is not None
        assert picture.pixels.shape == (224, 224, 3)
        colours = QUARTERS if image.colour is None else (image.colour,) * 4
        for place, colour in zip(_CENTRES, colours, strict=True):
            assert np.abs(picture.pixels[place].astype(int) - colour).max() < 40, place


def test_there_are_enough_of_them() -> None:
    assert len(IMAGES) >= 60
