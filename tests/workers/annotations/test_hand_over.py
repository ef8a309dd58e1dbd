"""`rpbert annotate` on a real broker."""

import random
from pathlib import Path

import pytest
from kafka.errors import KafkaTimeoutError
from kafka.producer import KafkaProducer

from schemas import AnnotatedPost
from tests.command_line import Rpbert
from tests.conftest import MakeTopics
from tests.refresh import annotated, conll, new_post
from workers.annotations.held import Annotations
from workers.errors import SetupError
from workers.local.kafka import KafkaCluster
from workers.settings import KafkaSettings

POSTS = [new_post(random.Random(seed)) for seed in range(8)]


@pytest.fixture
def kafka_settings(kafka: KafkaCluster, make_topics: MakeTopics) -> KafkaSettings:
    (topic,) = make_topics("annotations", cleanup_policy="compact")
    return KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, annotation_topic=topic)


def flags(settings: KafkaSettings) -> list[str]:
    return [
        *("--bootstrap-servers", settings.bootstrap_servers),
        *("--annotation-topic", settings.annotation_topic),
    ]


def write(path: Path, posts: list[AnnotatedPost]) -> Path:
    path.write_text("".join(f"{post.model_dump_json()}\n" for post in posts), encoding="utf-8")
    return path


def test_files_are_handed_over_once_however_often_the_command_is_run(
    rpbert: Rpbert, kafka_settings: KafkaSettings, tmp_path: Path
) -> None:
    posts = annotated(POSTS)
    file, words = write(tmp_path / "a.jsonl", posts), flags(kafka_settings)
    topic = kafka_settings.annotation_topic
    dry = rpbert("annotate", str(file), "--dry-run", *words)
    assert dry.output == f"8 annotations: 8 would be sent to {topic}\n"
    assert Annotations.read(kafka_settings).records == 0
    assert rpbert("annotate", str(file), *words).output == f"8 annotations: 8 sent to {topic}\n"
    again = rpbert("annotate", str(file), *words)
    assert again.output == f"8 annotations: 0 sent to {topic}, 8 there already\n"
    held = Annotations.read(kafka_settings)
    assert held.by_age == posts
    assert (held.records, held.until) == (8, {0: 8})

    # What somebody corrected meanwhile is not undone by the old file.
    corrected = posts[0].model_copy(update={"entities": (), "annotated_at": posts[7].annotated_at})
    other = write(tmp_path / "b.jsonl", [corrected])
    assert rpbert("annotate", str(other), *words).output == f"1 annotations: 1 sent to {topic}\n"
    late = rpbert("annotate", str(file), *words)
    assert late.output == f"8 annotations: 0 sent to {topic}, 7 there already, 1 older than what is there\n"
    assert corrected in Annotations.read(kafka_settings)
    # And what was there before can be read again.
    assert Annotations.read(kafka_settings, {0: 8}).by_age == posts


def test_conll_is_handed_over_too(rpbert: Rpbert, kafka_settings: KafkaSettings, tmp_path: Path) -> None:
    file = tmp_path / "october.txt"
    file.write_text(conll(POSTS), encoding="utf-8")
    words = flags(kafka_settings)
    assert "8 sent" in rpbert("annotate", str(file), "--annotator", "vera", *words).output
    assert "0 sent" in rpbert("annotate", str(file), "--annotator", "vera", *words).output
    texts = {each.post.text for each in Annotations.read(kafka_settings).by_age}
    assert texts == {text for text, _ in POSTS}


def test_a_hand_over_that_is_broken_off_is_run_again(
    rpbert: Rpbert, kafka_settings: KafkaSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, words = write(tmp_path / "a.jsonl", annotated(POSTS)), flags(kafka_settings)
    send = KafkaProducer.send
    sent: list[object] = []

    def break_off(self: KafkaProducer, *args: object, **fields: object) -> object:
        if len(sent) == 3:
            raise KafkaTimeoutError
        sent.append(send(self, *args, **fields).get(timeout=30))
        return send

    with monkeypatch.context() as patch:
        patch.setattr(KafkaProducer, "send", break_off)
        broken = rpbert("annotate", str(file), *words)
    assert broken.status == 1
    assert "run the same command again: what is there is not sent twice" in broken.sentence
    assert "5 sent to" in rpbert("annotate", str(file), *words).output
    held = Annotations.read(kafka_settings)
    assert (held.records, len(held.by_age)) == (8, 8)


def test_a_bad_line_sends_nothing(rpbert: Rpbert, tmp_path: Path) -> None:
    good = write(tmp_path / "a.jsonl", annotated(POSTS))
    bad = tmp_path / "b.txt"
    bad.write_text("Anita\tB-PER\nBorg\tI-HERO\n", encoding="utf-8")
    words = ["--annotator", "vera", "--bootstrap-servers", "127.0.0.1:1"]
    run = rpbert("annotate", str(good), str(bad), *words)
    assert run.status == 1
    assert f"{bad}:2: tag 'I-HERO'" in run.sentence


def test_offsets_beyond_the_end_and_a_missing_topic_are_one_sentence(
    rpbert: Rpbert, kafka_settings: KafkaSettings, tmp_path: Path
) -> None:
    with pytest.raises(SetupError, match=r"--until-offsets 0:9 lies beyond .* ends at 0:0"):
        Annotations.read(kafka_settings, {0: 9})
    file = write(tmp_path / "a.jsonl", annotated(POSTS))
    words = flags(kafka_settings.model_copy(update={"annotation_topic": "nowhere"}))
    run = rpbert("annotate", str(file), *words)
    assert run.status == 1
    assert "does not show the topic nowhere" in run.sentence
