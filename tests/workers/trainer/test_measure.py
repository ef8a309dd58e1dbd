import shutil
from pathlib import Path

import pytest
from PIL import Image

from model.data.gold import DatasetError
from model.data.read import read_gold
from model.golden import write_golden
from model.inference import Tagger
from model.manifest import GOLDEN
from model.release import seal
from schemas import EntityType
from tests.refresh import World, annotated
from workers.trainer.measure import Exam


@pytest.fixture(scope="module")
def tagger(world: World) -> Tagger:
    return Tagger.load(str(world.release), device="cpu", dtype="float32")


def test_figures_are_those_of_the_files_and_a_golden_post_is_right_or_named(
    world: World, tagger: Tagger, tmp_path: Path
) -> None:
    golden = tmp_path / "golden.txt"
    golden.write_text(
        "IMGID:7\nAna\tB-PER\nis\tO\nin\tO\nPorto\tB-LOC\ntoday\tO\n\nAna\tB-LOC\nis\tO\nhome\tO\n",
        encoding="utf-8",
    )
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    Image.new("RGB", (20, 20)).save(folders[1] / "7.png")
    exam = Exam.read([world.dev], [golden], folders)
    assert ("Ana", "is", "home") in exam.words
    held_out = read_gold(golden).posts[1:]
    one, other = exam.figures([tagger, tagger], held_out)
    assert one.model_copy(update={"seconds": 0}) == other.model_copy(update={"seconds": 0})
    ((name, scores),) = one.dev.items()
    assert name.endswith("/dev.txt")
    assert scores.conlleval.micro.f1 > 0.9
    assert one.held_out is not None
    assert one.held_out.conlleval.micro.f1 == 0
    assert (one.golden, one.wrong_golden) == (2, ("Ana is home",))


def test_golden_posts_of_the_release_in_service_are_asked_of_every_release(
    world: World, tmp_path: Path
) -> None:
    right, wrong = (shutil.copytree(world.release, tmp_path / name) for name in ("right", "wrong"))
    (known,) = annotated([("Ana is in Porto today", [("Ana", EntityType.PER), ("Porto", EntityType.LOC)])])
    (unknown,) = annotated([("Ana is in Porto today", [("Ana", EntityType.LOC)])])
    for directory, post in ((right, known), (wrong, unknown)):
        write_golden(directory / GOLDEN, [post])
        seal(directory, name="tiny", version="1")
    plain, keeper, loser = (
        Tagger.load(str(directory), device="cpu", dtype="float32")
        for directory in (world.release, right, wrong)
    )
    exam = Exam.read([world.dev], [], [])
    assert [(each.golden, each.wrong_golden) for each in exam.figures([keeper, plain], [])] == [(1, ())] * 2
    assert exam.figures([loser, plain], [])[1].wrong_golden == ("Ana is in Porto today",)


def test_without_held_out_annotations_there_is_no_figure_of_them(world: World, tagger: Tagger) -> None:
    (figures,) = Exam.read([world.dev], [], []).figures([tagger], [])
    assert (figures.held_out, figures.golden) == (None, 0)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere\.txt: can't be read"):
        Exam.read([tmp_path / "nowhere.txt"], [], [])
