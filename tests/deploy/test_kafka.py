"""Topics, users and autoscaling say of Kafka what the settings say."""

from __future__ import annotations

from typing import Any

from tests.deploy.manifests import Manifests, Object
from tests.deploy.processes import processes
from workers.settings import KafkaSettings, WorkerSettings
from workers.topics import create_topics


class _Recorder:
    """Takes down what topics would be created."""

    def __init__(self) -> None:
        self.topics: dict[str, dict[str, Any]] = {}

    def create_topics(self, topics: dict[str, dict[str, Any]], *, wait_for_metadata: bool) -> None:
        self.topics |= topics


def _worker(production: Manifests) -> WorkerSettings:
    (worker,) = (each for each in processes(production) if each.name == "worker/worker")
    settings = worker.settings()["settings"]
    assert isinstance(settings, WorkerSettings)
    return settings


def _rights(user: Object) -> set[tuple[str, str, bool, str]]:
    return {
        (rule["resource"]["type"], rule["resource"]["name"], "patternType" in rule["resource"], operation)
        for rule in user["spec"]["authorization"]["acls"]
        for operation in rule["operations"]
    }


def test_topics_are_those_that_the_command_line_makes(production: Manifests) -> None:
    recorder = _Recorder()
    create_topics(recorder, _worker(production).kafka, partitions=24, replication_factor=3)
    topics = {each["metadata"]["name"]: each["spec"] for each in production.of("KafkaTopic")}
    assert topics.keys() == recorder.topics.keys()
    for name, wanted in recorder.topics.items():
        assert topics[name]["partitions"] == wanted["num_partitions"]
        assert topics[name]["replicas"] == wanted["replication_factor"]
        config = {key: str(value) for key, value in topics[name]["config"].items()}
        assert wanted["configs"].items() <= config.items()


def test_the_autoscaler_watches_the_workers_group(production: Manifests) -> None:
    settings = _worker(production)
    (scaled,) = production.of("ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]
    watched = trigger["metadata"]
    assert watched["topic"] == settings.kafka.input_topic
    assert watched["consumerGroup"] == settings.group_id
    assert watched["bootstrapServers"] == settings.kafka.bootstrap_servers
    assert watched["offsetResetPolicy"] == settings.auto_offset_reset
    partitions = production.one("KafkaTopic", settings.kafka.input_topic)["spec"]["partitions"]
    assert scaled["spec"]["maxReplicaCount"] == partitions
    assert 1 <= scaled["spec"]["minReplicaCount"] <= scaled["spec"]["fallback"]["replicas"] <= partitions
    # A transactional producer's markers count as lag for ever, one a partition.
    assert int(watched["lagThreshold"]) > partitions
    assert int(watched["activationLagThreshold"]) == partitions


def test_each_process_has_a_user_with_the_rights_that_it_uses(production: Manifests) -> None:
    users = {each["metadata"]["name"]: _rights(each) for each in production.of("KafkaUser")}
    for told in processes(production):
        kafka = told.settings()
        settings: KafkaSettings = kafka["kafka"] if "kafka" in kafka else kafka["settings"].kafka
        assert settings.sasl_username in users
        assert settings.security_protocol == "SASL_SSL"
    worker = _worker(production)
    topics = worker.kafka
    assert users["rpbert-worker"] == {
        ("topic", topics.input_topic, False, "Read"),
        ("topic", topics.input_topic, False, "Describe"),
        ("topic", topics.input_topic, False, "DescribeConfigs"),
        ("topic", topics.output_topic, False, "Write"),
        ("topic", topics.output_topic, False, "Describe"),
        ("topic", topics.output_topic, False, "DescribeConfigs"),
        ("topic", topics.dead_letter_topic, False, "Write"),
        ("topic", topics.dead_letter_topic, False, "Describe"),
        ("topic", topics.dead_letter_topic, False, "DescribeConfigs"),
        ("topic", topics.release_topic, False, "Read"),
        ("topic", topics.release_topic, False, "Describe"),
        ("group", worker.group_id, False, "Read"),
        ("group", worker.group_id, False, "Describe"),
        ("transactionalId", f"{worker.group_id}-", True, "Write"),
        ("transactionalId", f"{worker.group_id}-", True, "Describe"),
    }


def test_the_network_lets_through_to_the_brokers(production: Manifests) -> None:
    host, _, port = _worker(production).kafka.bootstrap_servers.partition(":")
    (rule,) = production.one("NetworkPolicy", "kafka")["spec"]["egress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": int(port)}]
    namespace = rule["to"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    assert namespace == host.split(".")[1]
