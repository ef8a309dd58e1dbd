"""`rpbert releases`: the releases of a store, and what its channels point to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter, validators

from workers.settings import KafkaSettings, StoreSettings

app = App(name="releases", help="Publish model releases, roll them back, verify and prune them.")

_AtLeastOne = validators.Number(gte=1)


@app.command(name="list", sort_key=1)
def list_(
    *,
    store: StoreSettings,
    kafka: KafkaSettings = KafkaSettings(),
    json: bool = False,
) -> None:
    """List the complete releases of a store, the newest of each name last.

    With --bootstrap-servers it also says which are marked as not to be served. In a pipe each is a line
    with tabs between the columns.

    For example:

        rpbert releases list --store s3://bucket/releases

        rpbert releases list --store /srv/releases --json

    Args:
        store: where the releases are.
        kafka: how to reach Kafka, if the marks are wanted.
        json: one JSON object a line.
    """
    from workers.releases.look import list_and_print

    list_and_print(store, kafka, as_json=json)


@app.command(sort_key=2)
def show(target: str, /, *, store: StoreSettings, json: bool = False) -> None:
    """Show a release with its files and signature, or a channel with its history.

    For example:

        rpbert releases show stable --store s3://bucket/releases

        rpbert releases show small/1.0.0 --store s3://bucket/releases --json

    Args:
        target: a channel, or NAME/VERSION.
        store: where the releases are.
        json: one JSON object.
    """
    from workers.releases.look import show_and_print

    show_and_print(target, store, as_json=json)


@app.command(sort_key=3)
def publish(
    source: str,
    /,
    *,
    store: StoreSettings,
    kafka: KafkaSettings = KafkaSettings(),
    channel: str = "stable",
    reason: str = "",
    by: str | None = None,
    signing_key: Path | None = None,
    golden: Path | None = None,
    again: bool = False,
    json: bool = False,
) -> None:
    """Put a release into a store, verify it there, and point a channel at it.

    A release that the store has already is only pointed at: so a candidate becomes stable. A version never
    changes. With --bootstrap-servers the change is announced, and running the command again announces it
    again.

    For example:

        rpbert releases publish runs/small/release --store s3://bucket/releases --channel candidate

        rpbert releases publish small/1.1.0 --store s3://bucket/releases --bootstrap-servers kafka:9092

        rpbert releases publish runs/small/release --store /srv/releases --signing-key release.key

    Args:
        source: directory of a release, name of a packaged one, or NAME/VERSION of one in the store.
        store: where the releases are.
        kafka: how to reach Kafka, to announce the change.
        channel: the channel to point at it.
        reason: why, for the history.
        by: who wants it, for the history; user@machine if not given.
        signing_key: private key in PEM to sign it with, see `rpbert releases keygen`.
        golden: posts that it must tag right before a worker serves it, an AnnotatedPost in JSON a line;
            they become part of the release.
        again: also a release that this channel was rolled back from.
        json: one JSON object.
    """
    from workers.releases.operate import publish_and_print

    publish_and_print(
        source,
        store,
        kafka,
        channel=channel,
        reason=reason,
        by=by,
        signing_key=signing_key,
        golden=golden,
        again=again,
        as_json=json,
    )


@app.command(sort_key=4)
def rollback(
    *,
    store: StoreSettings,
    reason: str,
    kafka: KafkaSettings = KafkaSettings(),
    channel: str = "stable",
    by: str | None = None,
    json: bool = False,
) -> None:
    """Point a channel at the release it had before, and mark the present one as rolled back.

    A second rollback goes one further. With --bootstrap-servers the change is announced.

    For example:

        rpbert releases rollback --store s3://bucket/releases --reason "misses all places"

        rpbert releases rollback --store s3://bucket/releases --channel candidate --reason "too slow" --json

    Args:
        store: where the releases are.
        reason: why, for the history and whoever is served.
        kafka: how to reach Kafka, to announce the change.
        channel: which channel.
        by: who wants it, for the history; user@machine if not given.
        json: one JSON object.
    """
    from workers.releases.operate import roll_back_and_print

    roll_back_and_print(store, kafka, channel=channel, reason=reason, by=by, as_json=json)


@app.command(sort_key=5)
def verify(
    targets: tuple[str, ...] = (),
    /,
    *,
    store: StoreSettings,
    public_key: Path | None = None,
    json: bool = False,
) -> None:
    """Read every byte of releases and compare it with their manifests; exit status 1 if one is wrong.

    For example:

        rpbert releases verify --store s3://bucket/releases

        rpbert releases verify stable small/1.0.0 --store s3://bucket/releases --public-key release.key.pub

    Args:
        targets: channels or NAME/VERSION; all complete releases if none is named.
        store: where the releases are.
        public_key: public key in PEM whose owner must have signed them.
        json: one JSON object a line.
    """
    from workers.releases.look import verify_and_print

    verify_and_print(targets, store, public_key=public_key, as_json=json)


@app.command(sort_key=6)
def prune(
    *,
    store: StoreSettings,
    keep: Annotated[int, Parameter(validator=_AtLeastOne)] = 10,
    execute: bool = False,
    json: bool = False,
) -> None:
    """Remove old releases, and what was broken off a day ago. Without --execute it only says what would go.

    Whatever a channel points to, or would after a rollback, stays.

    For example:

        rpbert releases prune --store s3://bucket/releases --keep 5

        rpbert releases prune --store s3://bucket/releases --keep 5 --execute

    Args:
        store: where the releases are.
        keep: versions of each name to keep, the newest.
        execute: remove them.
        json: one JSON object.
    """
    from workers.releases.operate import prune_and_print

    prune_and_print(store, keep=keep, execute=execute, as_json=json)


@app.command(sort_key=7)
def keygen(path: Path, /, *, json: bool = False) -> None:
    """Make a pair of Ed25519 keys: PATH to sign releases with, PATH.pub to check them with.

    For example:

        rpbert releases keygen release.key

    Args:
        path: of the private key; nothing is overwritten.
        json: one JSON object.
    """
    from workers.releases.operate import make_keys_and_print

    make_keys_and_print(path, as_json=json)
