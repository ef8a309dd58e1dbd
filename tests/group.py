"""What a group of workers says of itself to anybody who asks a broker."""

from __future__ import annotations

from contextlib import closing

from kafka import KafkaAdminClient


def committed(bootstrap_servers: str, group: str) -> dict[int, int]:
    """How many records the group takes for done, by partition of its one topic.

    Raises:
        kafka.errors.KafkaError: no broker tells.
    """
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap_servers)) as admin:
        offsets = admin.list_group_offsets(group)[group]
        return {place.partition: position.offset for place, position in offsets.items()}


def members(bootstrap_servers: str, group: str) -> int:
    """How many members it has.

    Raises:
        kafka.errors.KafkaError: no broker tells.
    """
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap_servers)) as admin:
        return len(admin.describe_groups([group])[group]["members"])
