"""`rpbert explain`, from a text and pictures to a drawing and its numbers."""

from __future__ import annotations

import json
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from workers.errors import SetupError
from workers.explain import explain_and_draw
from workers.local import samples
from workers.settings import ModelSettings, PictureSettings

TEXT = "Liftoff! SpaceX sends another Falcon 9 up from Cape Canaveral"
SAMPLES = Path(samples.__file__).with_name("samples")


@pytest.fixture
def explain(tiny_release: Path, tmp_path: Path) -> Any:
    def call(*images: str, text: str = TEXT, output: str = "explain.png", as_json: bool = False) -> Path:
        explain_and_draw(
            text,
            images,
            tmp_path / output,
            ModelSettings(release=str(tiny_release), device="cpu"),
            PictureSettings(redis_url=None),
            as_json=as_json,
        )
        return tmp_path / output

    return call


def test_one_picture_is_written_and_its_place_told(explain: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = explain(str(SAMPLES / "rocket.jpg"), str(SAMPLES / "horse.jpg"))
    with Image.open(path) as picture:
        assert picture.format == "PNG"
    assert str(path) in capsys.readouterr().out.replace("\n", "")


def test_the_numbers_are_seven_by_seven_for_each_entity_and_image(
    explain: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    explain(
        str(SAMPLES / "rocket.jpg"), "http://127.0.0.1/none.jpg", str(SAMPLES / "horse.jpg"), as_json=True
    )
    content = json.loads(capsys.readouterr().out)
    assert content["release"] == {"name": "tiny", "version": "1"}
    assert content["entities"]
    assert [image["status"] == "ok" for image in content["images"]] == [True, False, True]
    assert content["images"][1]["gate"] is None
    for entity in content["entities"]:
        first, none, last = entity["attention"]
        assert none is None
        for image, maps in ((content["images"][0], first), (content["images"][2], last)):
            before, after = np.array(maps["before"]), np.array(maps["after"])
            assert before.shape == after.shape == (7, 7)
            assert 0 < before.sum() < 1
            assert image["gate"] == (image["relevance"] > 0.5)
            assert after.any() == bool(image["gate"])


def test_a_post_without_picture_has_no_maps(explain: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(as_json=True).exists()
    content = json.loads(capsys.readouterr().out)
    assert content["relevance"] is None
    assert all(entity["attention"] == [] for entity in content["entities"])


def test_without_matplotlib_it_says_what_to_install(explain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "find_spec", lambda _: None)
    with pytest.raises(SetupError, match=r"pip install 'rpbert-stream\[train\]'"):
        explain()


@pytest.mark.parametrize(
    ("images", "output", "message"),
    [
        ((), "explain.doc", r"--output is .*explain.doc: give it an ending of .png, .jpg"),
        ((), "nowhere/explain.png", "explain.png can't be written"),
        (("none.jpg",), "explain.png", "none.jpg can't be read"),
        (("x",) * 5, "explain.png", "--image was given 5 times"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(
    explain: Any, images: tuple[str, ...], output: str, message: str
) -> None:
    with pytest.raises(SetupError, match=message):
        explain(*images, output=output)
