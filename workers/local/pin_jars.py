"""Writes `kafka-jars.sha256` anew: `python -m workers.local.pin_jars`, after a change of version.

Needs the network. jgo's resolver walks the POMs, the jars are downloaded, and their digests written down;
what changed is then seen in review.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

from workers.local.jars import KAFKA_VERSION, PINNED_JARS


def resolve_pins(repository: Path) -> dict[str, str]:
    """Path in a Maven repository and SHA-256 of every jar that the broker needs at run time."""
    from jgo.maven import MavenContext  # noqa: PLC0415 - an optional dependency

    maven = MavenContext(repo_cache=repository, timeout=30)

    def closure(coordinates: str) -> list[Path]:
        inputs, transitive = maven.resolver.resolve([maven.create_dependency(coordinates)])
        needed = [*inputs, *(found for found in transitive if found.scope in ("compile", "runtime"))]
        return [Path(found.artifact.resolve()).relative_to(repository) for found in needed]

    broker = closure(f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}")
    # Kafka logs through SLF4J and leaves the backend to its distribution; without one it is mute.
    (log4j,) = {jar.parent.name for jar in broker if jar.name.startswith("log4j-core-")}
    backend = repository / closure(f"org.apache.logging.log4j:log4j-slf4j-impl:{log4j}")[0]
    jars = [repository / jar for jar in broker] + [backend]
    return {
        jar.relative_to(repository).as_posix(): hashlib.sha256(jar.read_bytes()).hexdigest() for jar in jars
    }


def main() -> None:
    """Resolves and overwrites the file of digests."""
    with tempfile.TemporaryDirectory(prefix="rpbert-pins-") as repository:
        pins = resolve_pins(Path(repository))
    lines = [f"{sha256}  {path}\n" for path, sha256 in sorted(pins.items())]
    PINNED_JARS.write_text("".join(lines), encoding="ascii")
    sys.stdout.write(f"{len(lines)} jars pinned in {PINNED_JARS.name}\n")


if __name__ == "__main__":
    main()
