"""Whatever the broker takes can be read: batches are made by hand, as a hostile producer makes them."""

import struct
from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords
from kafka.record.util import calc_crc32c

from tests.hostile import Name, hostile_names
from tests.pipeline import Record
from workers import kafka_clients
from workers.kafka_records import read_every_record
from workers.settings import KafkaSettings

# Behind the batch's header of 61 bytes: the record's length, one byte here, then its attributes.
ATTRIBUTES = 62


@pytest.fixture(autouse=True)
def readable() -> None:
    read_every_record()


def batch(*records: Record, codec: int = 0) -> bytearray:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1_000_000,
    )
    for offset, (key, value, headers) in enumerate(records):
        builder.append(offset, timestamp=1_000, key=key, value=value, headers=headers)
    made: bytearray = builder.build()
    return made


def sealed(changed: bytearray) -> bytearray:
    struct.pack_into(">I", changed, 17, calc_crc32c(memoryview(changed)[21:]))
    return changed


def read(data: bytearray) -> list[Any]:
    made = MemoryRecords(bytes(data)).next_batch()
    assert made.validate_crc()
    return list(made)


@pytest.mark.parametrize("codec", [0, 3, 4])
def test_a_header_s_name_that_is_no_utf8_is_escaped(codec: int) -> None:
    bad = [(Name(b"x-\xff\xfe"), b"\xff\x00"), ("plain", b"1")]
    read_back = read(batch((b"k0", b"v0", []), (b"k1", b"v1", bad), (b"k2", b"v2", []), codec=codec))
    assert [(record.offset, record.key, record.value) for record in read_back] == [
        (0, b"k0", b"v0"),
        (1, b"k1", b"v1"),
        (2, b"k2", b"v2"),
    ]
    assert read_back[1].headers == [("x-\\xff\\xfe", b"\xff\x00"), ("plain", b"1")]


def test_a_well_known_name_is_not_touched() -> None:
    (record,) = read(batch((None, b"v", [("naïve", b"1")])))
    assert record.headers == [("naïve", b"1")]


@pytest.mark.parametrize("attributes", [0x01, 0x80, 0xFF])
def test_attributes_shift_nothing(attributes: int) -> None:
    changed = batch((b"key", b"value", [("h", b"1")]))
    changed[ATTRIBUTES] = attributes
    (record,) = read(sealed(changed))
    assert (record.offset, record.key, record.value) == (0, b"key", b"value")
    assert record.headers == [("h", b"1")]


def test_a_record_that_ends_too_soon_is_corrupt() -> None:
    changed = batch((b"key", b"value", []))
    changed[ATTRIBUTES - 1] -= 2
    with pytest.raises(CorruptRecordError):
        read(sealed(changed))


def test_a_checksum_still_counts() -> None:
    changed = batch((b"key", b"value", []))
    changed[-2] ^= 1
    assert not MemoryRecords(bytes(changed)).next_batch().validate_crc()


def test_a_reader_of_kafka_goes_on(kafka: Any, topic: str) -> None:
    settings = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers)
    with closing(KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)) as producer:
        for number, name in enumerate(hostile_names()):
            producer.send(topic, key=b"k", value=str(number).encode(), headers=[(Name(name), b"")])
        producer.send(topic, key=b"k", value=b"last")
        producer.flush()
    with closing(kafka_clients.reading_consumer(settings, from_start=True)) as consumer:
        consumer.subscribe([topic])
        values: list[bytes] = []
        while b"last" not in values:
            for records in consumer.poll(timeout_ms=200).values():
                values += [record.value for record in records]
        assert values == [*(str(number).encode() for number in range(len(hostile_names()))), b"last"]
