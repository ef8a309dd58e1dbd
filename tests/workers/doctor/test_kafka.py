"""Each fault is really made, on a real broker."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaConsumer
from kafka.admin import ACLOperation, ACLResourcePatternType, ResourceType

from tests.command_line import Rpbert
from tests.workers.doctor.conftest import Doctor
from workers import kafka_clients
from workers.doctor.quick import require_what_a_worker_needs
from workers.local.kafka import KafkaCluster
from workers.settings import KafkaSettings, WorkerSettings

MakeTopics = Callable[..., list[str]]


def test_what_is_well_passes(doctor: Doctor, topics: list[str]) -> None:
    seen = doctor()
    assert seen.status == 0
    for check in ("brokers", "topics", "retention", "sizes", "rights", "transactions", "group", "release"):
        assert seen.of(check, "ok"), check
    assert seen.of("replication", "warn")[0].startswith("one copy alone of ")


def test_a_broker_that_does_not_answer(doctor: Doctor) -> None:
    seen = doctor("--bootstrap-servers", "127.0.0.1:1")
    assert seen.status == 1
    assert "no Kafka broker answers at 127.0.0.1:1" in seen.of("brokers", "fail")[0]
    # The rest is looked at all the same.
    assert seen.of("release", "ok")


def test_a_topic_that_is_not_there(doctor: Doctor) -> None:
    seen = doctor("--output-topic", "nowhere")
    assert seen.failing == {"topics"}
    assert seen.of("topics", "fail") == [
        "the topic nowhere is not there -> make it by `rpbert topics create`, or name another"
    ]


def test_a_worker_is_asked_for_no_topic_that_it_neither_reads_nor_writes(
    kafka: KafkaCluster, topics: list[str]
) -> None:
    named = dict(zip(("input_topic", "output_topic", "dead_letter_topic"), topics, strict=True))
    elsewhere = {"annotation_topic": "nowhere.annotations", "release_topic": "nowhere.releases"}
    settings = KafkaSettings.model_validate(
        {"bootstrap_servers": kafka.bootstrap_servers, **named, **elsewhere}
    )
    with closing(kafka_clients.admin(settings)) as client:
        amiss = "\n".join(require_what_a_worker_needs(client, WorkerSettings(kafka=settings)))
    assert "nowhere.releases is not there" in amiss
    assert "nowhere.annotations" not in amiss
    assert settings.replay_topic not in amiss


def test_partitions_that_hold_workers_back(doctor: Doctor, make_topics: MakeTopics) -> None:
    single, wide = make_topics("single"), make_topics("wide", partitions=3)
    assert any("one worker works" in each for each in doctor("--input-topic", *single).of("topics", "warn"))
    assert any("--partitions 3" in each for each in doctor("--input-topic", *wide).of("topics", "warn"))


def test_records_that_go_before_they_are_read(doctor: Doctor, make_topics: MakeTopics) -> None:
    short = make_topics("short", retention_ms="3600000")
    compacted = make_topics("compacted", cleanup_policy="compact")
    assert "keeps records for 1 h" in doctor("--input-topic", *short).of("retention", "warn")[0]
    assert "is compacted" in doctor("--input-topic", *compacted).of("retention", "warn")[0]


def test_annotations_that_are_forgotten(doctor: Doctor, make_topics: MakeTopics) -> None:
    forgets, keeps = make_topics("forgets"), make_topics("keeps", cleanup_policy="compact")
    (said,) = doctor("--annotation-topic", *forgets).of("retention", "warn")
    assert said.startswith(f"{forgets[0]} forgets what is older")
    assert doctor("--annotation-topic", *keeps).of("retention", "warn") == []


@pytest.mark.parametrize(
    ("topic", "limit", "says"),
    [
        ("output", "20000", "warn: a result with long URLs becomes a dead letter"),
        ("dead-letter", "500000", "warn: without its record's bytes"),
        ("dead-letter", "5000", "fail: a dead letter may not fit"),
        ("input", "50000000", "warn: rpbert sends 33,554,432 at most"),
    ],
)
def test_a_topic_that_takes_too_little(
    doctor: Doctor, make_topics: MakeTopics, topic: str, limit: str, says: str
) -> None:
    (name,) = make_topics("sized", max_message_bytes=limit)
    verdict, _, words = says.partition(": ")
    found = doctor(f"--{topic}-topic", name).of("sizes", verdict)
    assert any(name in each and words in each and "max.message.bytes" in each for each in found), found


def test_rights_that_are_missing(doctor: Doctor, topics: list[str], allow_only: Any) -> None:
    raw, entities, dead = topics
    allow_only(ResourceType.TOPIC, raw, ACLOperation.DESCRIBE, ACLOperation.DESCRIBE_CONFIGS)
    allow_only(ResourceType.TOPIC, entities, ACLOperation.READ)
    allow_only(ResourceType.TOPIC, dead)
    allow_only(ResourceType.GROUP, raw)
    seen = doctor()
    rights = "\n".join(seen.of("rights", "fail"))
    assert f"we may not read {raw} -> kafka-acls --add" in rights
    assert f"--operation Write --topic {entities}" in rights
    assert f"--operation Read --group {raw}" in rights
    assert f"{dead} is not there, or not for us to see" in seen.of("topics", "fail")[0]
    assert f"{entities} is not for us to read" in seen.of("sizes", "warn")[0]


def test_a_transactional_id_that_is_not_granted(doctor: Doctor, topics: list[str], allow_only: Any) -> None:
    prefix = f"{topics[0]}-"
    allow_only(
        ResourceType.TRANSACTIONAL_ID,
        prefix,
        ACLOperation.DESCRIBE,
        pattern=ACLResourcePatternType.PREFIXED,
    )
    seen = doctor()
    assert seen.failing == {"transactions"}
    assert f"--transactional-id {prefix}" in seen.of("transactions", "fail")[0]
    # Without transactions nobody needs it.
    assert doctor("--delivery", "at_least_once").status == 0


def test_a_group_that_shares_otherwise(doctor: Doctor, kafka: KafkaCluster, topics: list[str]) -> None:
    consumer = KafkaConsumer(topics[0], bootstrap_servers=kafka.bootstrap_servers, group_id=topics[0])
    try:
        while not consumer.assignment():
            consumer.poll(timeout_ms=100)
        seen = doctor()
    finally:
        consumer.close()
    assert seen.failing == {"group"}
    assert "shares by range" in seen.of("group", "fail")[0]


def test_a_member_that_would_be_put_out(doctor: Doctor, kafka: KafkaCluster, topics: list[str]) -> None:
    member = kafka_clients.group_consumer(
        WorkerSettings(
            kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers),
            group_id=topics[0],
            group_instance_id="pod-0",
        )
    )
    try:
        member.subscribe([topics[0]])
        while not member.assignment():
            member.poll(timeout_ms=100)
        same = doctor("--group-instance-id", "pod-0")
        another = doctor("--group-instance-id", "pod-1")
    finally:
        member.close()
    (said,) = same.of("group", "warn")
    assert said.startswith(f"the group {topics[0]} has a member pod-0 already")
    assert another.of("group", "ok") == [f"{topics[0]} has 1 member -> "]


def test_time_outs_that_the_brokers_refuse(doctor: Doctor) -> None:
    session = doctor("--session-timeout-ms", "1500000")
    assert session.failing == {"group"}
    assert "1000 to 1200000" in session.of("group", "fail")[0]
    transaction = doctor("--transaction-timeout-ms", "700000")
    assert transaction.failing == {"transactions"}
    assert "transaction.max.timeout.ms 600000" in transaction.of("transactions", "fail")[0]


def test_a_worker_asks_before_it_joins(
    rpbert: Rpbert, words: list[str], topics: list[str], allow_only: Any
) -> None:
    allow_only(ResourceType.TOPIC, topics[1], ACLOperation.READ)
    run = rpbert("worker", *words, "--metrics-port", "0")
    assert run.status == 1
    assert f"we may not write {topics[1]}" in run.sentence
    assert "`rpbert doctor`" in run.sentence
