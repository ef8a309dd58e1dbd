import json
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest
from PIL import Image

from model.config import GateKind
from tests.model.data.test_annotated import line
from tests.model.data.test_trc import HEADER
from workers.commands.evaluate import evaluate
from workers.errors import SetupError
from workers.settings import ModelSettings

CONLL = "IMGID:1\nAna\tI-PER\nin\tO\nPorto\tB-LOC\n\nIMGID:2\nok\tO\n\nIMGID:3\nok\tO\n"


class Measure(Protocol):
    def __call__(self, data: str, **options: Any) -> dict[str, Any]: ...


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("gold")
    (directory / "valid.txt").write_text(CONLL, encoding="utf-8")
    for tweet in ("1", "11", "12"):
        Image.effect_noise((40, 40), 90).save(directory / f"{tweet}.jpg")
    (directory / "2.jpg").write_bytes(b"\xff\xd8\xffcut")
    urls = ("https://a.example/1.jpg", "https://a.example/11.jpg")
    (directory / "gold.jsonl").write_text(
        line("Ana in Porto", ("PER", 0, 3), urls=urls, relations=[True, False]), encoding="utf-8"
    )
    rows = "".join(f"{tweet},0,{adds},0,1,0,0,,,\n" for tweet, adds in ((11, 1), (12, 1), (13, 0), (14, 0)))
    (directory / "labels.csv").write_text(f"{HEADER}\n{rows}6.9E+17,0,1,0,1,0,0,,,\n", encoding="utf-8")
    texts = (json.dumps({"id": tweet, "text": f"tweet {tweet}"}) for tweet in (11, 12, 13))
    (directory / "tweets.jsonl").write_text("\n".join(texts), encoding="utf-8")
    return directory


@pytest.fixture
def measure(folder: Path, tiny_release: Path, capsys: pytest.CaptureFixture[str]) -> Measure:
    """`rpbert evaluate --json` with the tiny release on a file of the folder."""

    def call(data: str, **options: Any) -> dict[str, Any]:
        model = ModelSettings(release=str(tiny_release), device="cpu", dtype="float32")
        evaluate(data=folder / data, model=model, json=True, **options)
        read: dict[str, Any] = json.loads(capsys.readouterr().out)
        return read

    return call


def test_the_figures_stand_where_programs_look_for_them(measure: Measure, folder: Path) -> None:
    read = measure("valid.txt", images=folder)
    assert read["release"] == {"name": "tiny", "version": "1"}
    assert read["data"].endswith("/valid.txt")
    assert (read["posts"], read["gate"], read["dtype"]) == (3, "straight_through", "float32")
    assert read["pictures"] == {"named": 3, "scored": 1, "missing": 1, "broken": 1, "left_out": 0}
    assert read["oddities"] == {"orphan_inside_tags": 1}
    assert read["relation"] is None
    for way in ("conlleval", "strict"):
        scores = read["entities"][way]
        assert set(scores["micro"]) == {"precision", "recall", "f1", "support"}
        assert scores["types"]["LOC"]["support"] == 1
        assert 0 <= scores["micro"]["f1"] <= 1
    assert read["entities"]["conlleval"]["types"]["PER"]["support"] == 1


def test_without_images_the_answer_is_that_of_the_text_alone(measure: Measure, folder: Path) -> None:
    alone = measure("valid.txt")
    assert measure("valid.txt", images=folder, no_images=True) == alone
    assert alone["pictures"]["left_out"] == 3


@pytest.mark.parametrize("gate", GateKind)
def test_another_gate_may_be_asked_for(measure: Measure, folder: Path, gate: GateKind) -> None:
    assert measure("valid.txt", images=folder, gate=gate)["gate"] == gate.value


def test_annotated_posts_score_entities_and_relations(measure: Measure, folder: Path) -> None:
    read = measure("gold.jsonl", images=folder)
    assert read["entities"]["conlleval"]["types"]["PER"]["support"] == 1
    relation = read["relation"]
    assert (relation["pairs"], relation["related"]) == (2, 1)
    assert relation["auc"] in {0.0, 0.5, 1.0}
    assert {"accuracy", "precision", "recall", "f1"} <= set(relation)


def test_labels_of_tweets_score_the_relation_alone(measure: Measure, folder: Path) -> None:
    read = measure("labels.csv", images=folder, texts=folder / "tweets.jsonl")
    assert read["entities"] is None
    assert (read["posts"], read["relation"]["pairs"]) == (2, 2)
    assert read["relation"]["auc"] is None
    assert "every pair is related" in read["relation"]["auc_missing"]
    assert read["pictures"] == {"named": 3, "scored": 2, "missing": 1, "broken": 0, "left_out": 0}
    assert read["oddities"] == {"malformed_rows": 1, "missing_texts": 1}


@pytest.mark.parametrize(
    ("data", "options", "says"),
    [
        ("none.txt", {}, "none.txt: can't be read"),
        ("labels.csv", {}, "give --texts with the tweets and --images"),
        ("valid.txt", {"images": Path("nowhere")}, "nowhere: no folder of pictures"),
    ],
)
def test_what_can_t_be_measured_is_said_before_the_release_is_loaded(
    folder: Path, data: str, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(SetupError, match=says):
        evaluate(data=folder / data, model=ModelSettings(release="no-such-release"), **options)


def test_a_person_reads_tables_that_fit_the_terminal(
    folder: Path, tiny_release: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    model = ModelSettings(release=str(tiny_release), device="cpu", dtype="float32")
    evaluate(data=folder / "gold.jsonl", images=folder, model=model)
    lines = capsys.readouterr().out.splitlines()
    assert max(len(each) for each in lines) <= 80
    text = "\n".join(lines)
    assert "tiny 1 on " in text
    assert "pictures: 2 named, 2 found, 0 missing, 0 broken" in text
    for heading in ("entities, conlleval", "entities, strict", "micro", "relation", "AUC"):
        assert heading in text


def test_without_the_measuring_libraries_the_extra_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("workers.evaluate", "model.evaluation", "model.scores", "seqeval.metrics"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "seqeval", None)
    with pytest.raises(SetupError, match=r"pip install 'rpbert-stream\[train\]'"):
        evaluate(data=folder / "valid.txt")
