"""What a local broker is told: its properties, its logging, its Java options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from workers.local.ports import LOOPBACK

# Tier one of the compiler and the serial collector: a broker that lives for minutes on a few cores starts in
# 1.5 s for 1.9 s of CPU with them, in 1.9 s for 3.1 s without. The rest silences warnings of Java 25 about
# what Kafka 4.4 does.
JAVA_OPTIONS = (
    "-Xmx400m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)

LOG4J_PROPERTIES = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %m (%c{1})%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
logger.config.name = org.apache.kafka.common.config.AbstractConfig
logger.config.level = warn
"""


def broker_properties(
    node_id: int,
    port: int,
    controllers: Mapping[int, int],
    log_directory: Path,
    overrides: Mapping[str, str],
) -> str:
    """The properties file of one node that is broker and controller at once (KRaft).

    Args:
        node_id: This node's number.
        port: Where clients and other brokers reach it.
        controllers: Every node's number and the port of its controller.
        log_directory: Where its partitions lie.
        overrides: Properties that replace or add to these.
    """
    nodes = len(controllers)
    replicas = str(min(nodes, 3))
    in_sync = "2" if nodes >= 3 else "1"  # noqa: PLR2004 - a majority of three
    properties = {
        "process.roles": "broker,controller",
        "node.id": str(node_id),
        "controller.quorum.voters": ",".join(
            f"{node}@{LOOPBACK}:{controller}" for node, controller in controllers.items()
        ),
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controllers[node_id]}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(log_directory),
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        # 50 each is for thousands of groups; here it is 100 folders a node and seconds at every restart.
        "offsets.topic.num.partitions": "6",
        "transaction.state.log.num.partitions": "6",
        "share.coordinator.state.topic.num.partitions": "6",
        "auto.create.topics.enable": "false",
        # A killed broker may not register again before its session has run out: 9 s by default.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        # A group that forms waits for nobody.
        "group.initial.rebalance.delay.ms": "0",
        # Allows tests shorter sessions than 6 s; what a consumer asks for is unchanged.
        "group.min.session.timeout.ms": "1000",
        # A transaction whose producer was killed ends within a second after its time-out, not ten.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        # The cleaner's map is taken from the heap at start; 128 MB of 400 would be a waste.
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        **overrides,
    }
    return "".join(f"{name}={value}\n" for name, value in properties.items())


def java_command(java: Path, classpath: Sequence[Path], options: Sequence[str]) -> list[str]:
    """The beginning of a command that runs a class of Kafka's."""
    return [str(java), *options, "-cp", ":".join(map(str, classpath))]
