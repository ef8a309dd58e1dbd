"""The trainer on a real broker and store; two of the runs train, the others stop before."""

import json
import random
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from filelock import FileLock
from rich.console import Console

from model.data.read import read_gold
from model.golden import write_golden
from model.inference import Tagger
from model.manifest import CARD, GOLDEN
from model.release import seal
from model.signing import make_keys, read_public_key
from model.store.lease import Holder, Lease
from model.store.reference import ReleaseId
from model.training.errors import TrainingError
from model.training.settings import GoldData, TrainingSettings
from tests.command_line import Rpbert
from tests.refresh import RECIPE, Stage, annotated, new_post, old_post
from tests.workers.trainer.conftest import Gateway
from tests.workers.trainer.records import judgement, record
from workers.errors import SetupError
from workers.releases.board import Board
from workers.settings import StoreSettings, TrainerSettings
from workers.trainer import run as module
from workers.trainer.begin import Job
from workers.trainer.finish import publish
from workers.trainer.record import WorkDirectory

POSTS = annotated([new_post(random.Random(seed)) for seed in range(20)])
LENIENT = {"f1_tolerance": 1, "type_tolerance": 1, "epochs": 1}


class Killed(BaseException):
    """What ends a run and is caught by nobody."""


@contextmanager
def killed_in_training(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException] = Killed
) -> Iterator[list[TrainingSettings]]:
    """Runs get as far as training; gives what they would have trained."""
    orders: list[TrainingSettings] = []

    def train(order: TrainingSettings, _: Console) -> None:
        orders.append(order)
        raise error("at once")

    with monkeypatch.context() as patch:
        patch.setattr(module, "train", train)
        yield orders


def serve_another(stage: Stage) -> None:
    """Somebody publishes a release by hand."""
    other = stage.directory / "other"
    shutil.copytree(stage.world.release, other)
    seal(other, name="tiny", version="1.5.0")
    stage.store.point("stable", stage.store.add(other), by="ada", reason="by hand")


def test_golden_posts_that_a_release_carries_judge_its_successor_which_carries_them_on(
    stage: Stage, rpbert: Rpbert
) -> None:
    golden = annotated([old_post(random.Random(1))])
    keeper = stage.directory / "keeper"
    shutil.copytree(stage.world.release, keeper)
    write_golden(keeper / GOLDEN, golden)
    seal(keeper, name="tiny", version="1.0.1")
    stage.store.point("stable", stage.store.add(keeper), by="ada", reason="with golden posts")
    stage.annotate(POSTS)
    run = rpbert(*stage.words(**LENIENT))
    assert run.status == 0, run.errors
    assert stage.store.current("stable").version == "1.1.0"
    assert list(stage.served().golden) == golden
    (report,) = stage.reports()
    assert report["run"]["judgement"]["candidate"]["golden"] == 1


def test_a_candidate_is_signed_published_beside_what_is_in_service_and_tells_its_lineage(
    stage: Stage, rpbert: Rpbert, gateway: Gateway
) -> None:
    stage.annotate(POSTS)
    make_keys(stage.directory / "key")
    flags = {"channel": "candidate", "until_offsets": "0:10", "pushgateway": gateway.url}
    run = rpbert(*stage.words(signing_key=stage.directory / "key", **flags, **LENIENT), "--json")
    assert run.status == 0, run.errors
    told = json.loads(run.output)
    assert (told["outcome"], told["version"]) == ("published", "1.1.0")
    candidate = ReleaseId("tiny", "1.1.0")
    assert stage.store.current("stable").version == "1.0.0"
    assert stage.store.current("candidate").release == candidate
    stage.store.verify(candidate, key=read_public_key(stage.directory / "key.pub"))
    assert Board.read(stage.kafka).channels.keys() == {"candidate"}

    (report,) = stage.reports()
    lineage = report["run"]["lineage"]
    assert (lineage["records"], lineage["until_offsets"]) == (10, "0:10")
    assert (lineage["train"], lineage["choosing"], lineage["held_out"]) == (7, 1, 2)
    assert report["run"]["incumbent"]["manifest_sha256"] == stage.store.current("stable").manifest_sha256
    assert report["training"]["data"]["train"]["annotations/train.jsonl"] == 7
    card = (stage.directory / "store" / "tiny" / "1.1.0" / CARD).read_text(encoding="utf-8")
    for said in ("from tiny/1.0.0", "--until-offsets 0:10", lineage["sha256"], "| micro F1 on held-out"):
        assert said in card
    assert str(stage.directory) not in card
    assert gateway.samples["last_run_outcome", "published"] == 1
    assert gateway.samples["annotations", "train"] == 7
    # The place is free again.
    channels = sorted(path.name for path in (stage.directory / "store" / "channels").iterdir())
    assert channels == ["candidate.json", "stable.json"]


def test_a_training_by_hand_tells_programs_what_it_made(stage: Stage, rpbert: Rpbert) -> None:
    flags = {
        "train": stage.world.train,
        "dev": stage.world.dev,
        "initial_release": stage.world.release,
        "output": stage.directory / "by-hand",
        **RECIPE.model_dump(exclude_defaults=True),
    }
    words = [word for name, value in flags.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    run = rpbert("train", *words, "--json")
    assert run.status == 0, run.errors
    made = json.loads(run.output)
    assert Tagger.load(made["release"], dtype="float32").version == "1.0.0"
    assert (Path(made["report"]) / "report.json").is_file()


def test_a_run_that_was_killed_is_gone_on_with_though_more_is_annotated(
    stage: Stage, rpbert: Rpbert, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.annotate(POSTS[:10])
    with killed_in_training(monkeypatch) as orders:
        with pytest.raises(Killed):
            rpbert(*stage.words())
        stage.annotate(POSTS)
        with pytest.raises(Killed):
            rpbert(*stage.words())
        assert orders[0] == orders[1]
        assert orders[0].resume
        assert [len(read_gold(path).posts) for path in orders[0].train[1:]] == [7]


@pytest.mark.parametrize("change", ["settings", "gold files", "release in service"])
def test_a_run_of_other_circumstances_is_begun_anew(
    stage: Stage, rpbert: Rpbert, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    gold = stage.directory / "gold.txt"
    gold.write_bytes(stage.world.train.read_bytes())
    stage.annotate(POSTS[:10])
    with killed_in_training(monkeypatch) as orders:
        with pytest.raises(Killed):
            rpbert(*stage.words(train=gold))
        stage.annotate(POSTS)
        match change:
            case "settings":
                words = stage.words(train=gold, seed=2)
            case "gold files":
                gold.write_text(gold.read_text() + "again\tO\n\n")
                words = stage.words(train=gold)
            case _:
                serve_another(stage)
                words = stage.words(train=gold)
        with pytest.raises(Killed):
            rpbert(*words)
    assert [len(read_gold(path).posts) for path in orders[1].train[1:]] == [14]
    assert orders[1].version == ("1.6.0" if change == "release in service" else "1.1.0")


def test_a_run_that_fails_by_itself_is_not_tried_again(
    stage: Stage, rpbert: Rpbert, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    with killed_in_training(monkeypatch, TrainingError):
        run = rpbert(*stage.words(pushgateway=gateway.url))
    assert (run.status, run.errors.splitlines()[-1]) == (1, "rpbert: at once")
    assert WorkDirectory(stage.directory / "work").record() is None
    assert gateway.samples["last_run_outcome", "failed"] == 1


def test_posts_that_judge_are_not_trained_on(
    stage: Stage, rpbert: Rpbert, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(7)
    [old_post(draw) for _ in range(64)]
    stage.annotate(annotated([old_post(draw) for _ in range(5)]))
    with killed_in_training(monkeypatch) as orders, pytest.raises(Killed):
        rpbert(*stage.words())
    assert orders[0].train == (stage.world.train,)
    found = WorkDirectory(stage.directory / "work").record()
    assert found is not None
    assert (found.lineage.posts, found.lineage.known) == (5, 5)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"store": "empty"}, r"has no release in the channel stable; publish one by"),
        ({"annotation_topic": "nowhere"}, r"no topic for us named nowhere.*rpbert topics create"),
        ({"release_topic": "nowhere"}, r"no topic for us named nowhere.*rpbert topics create"),
        ({"until_offsets": "0:9"}, r"--until-offsets 0:9 lies beyond"),
        ({"dev": "none.txt"}, r"none\.txt: can't be read"),
        ({"train": "none.txt"}, r"none\.txt can't be read or written"),
        ({"vision": "tuned"}, r"--vision tuned needs pictures"),
    ],
)
def test_what_stops_a_run_is_one_sentence(
    stage: Stage, rpbert: Rpbert, changed: dict[str, str], says: str
) -> None:
    placed = {
        name: stage.directory / value if name in ("store", "dev", "train") else value
        for name, value in changed.items()
    }
    run = rpbert(*stage.words(**placed))
    assert run.status == 1
    assert re.search(f"^rpbert: .*{says}", run.errors.splitlines()[-1])


def test_one_trainer_at_a_time(stage: Stage, rpbert: Rpbert) -> None:
    work = WorkDirectory(stage.directory / "work")
    with FileLock(work.lock):
        run = rpbert(*stage.words())
    assert run.status == 1
    assert "another trainer is at work in" in run.sentence
    holder = Holder(identity="other", by="a trainer, eve@there", since=datetime.now(UTC))
    with Lease(stage.store.files, "channels/trainer.lock", holder, beat=0.05):
        run = rpbert(*stage.words(work=stage.directory / "elsewhere"))
    assert run.status == 1
    assert "a trainer, eve@there is at it since" in run.sentence


def test_what_was_judged_beside_an_old_release_is_not_published(stage: Stage) -> None:
    serve_another(stage)
    job = Job(
        TrainerSettings(work=stage.directory / "work"),
        GoldData(train=(stage.world.train,), dev=(stage.world.dev,)),
        RECIPE,
        stage.kafka,
        StoreSettings(store=stage.store.url),
    )
    with pytest.raises(SetupError, match=r"stable points to tiny/1\.5\.0 meanwhile, and tiny/1\.1\.0 was"):
        publish(job, stage.store, WorkDirectory(job.settings.work), record(), judgement())
