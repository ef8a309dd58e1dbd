"""Every metric of the workers, in one place (names by the Prometheus conventions, labels bounded)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
)

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_SCORES: Final = tuple(tenth / 10 for tenth in range(1, 11))


class Metrics:
    """The metrics of one tagger process, in a registry of its own."""

    def __init__(self) -> None:
        # One more series for each counter, of no use to our rules and dashboards.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry: Final = CollectorRegistry(auto_describe=True)
        for collector in (GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR):
            self.registry.register(collector)

        self.posts_received = self._counter("posts_received", "Records read from the input topic.")
        self.posts_tagged = self._counter("posts_tagged", "Results committed to the output topic.")
        self.posts_dead = self._counter(
            "posts_dead_lettered", "Records committed to the dead letters, by reason.", "reason"
        )
        self.entities = self._counter("entities", "Entities committed, by type.", "type")
        self.images = self._counter("images", "Pictures of committed posts, by status.", "status")
        self.relation_score = self._histogram("relation_score", "Relation score of each picture.", _SCORES)
        self.entity_score = self._histogram("entity_score", "Posterior probability of each entity.", _SCORES)

        self.post_seconds = self._histogram(
            "post_duration_seconds", "Seconds from a record's arrival in the worker to its commit.", _SECONDS
        )
        self.stage_seconds = self._histogram(
            "stage_duration_seconds", "Seconds a stage took for one unit of its work.", _SECONDS, "stage"
        )
        self.batch_posts = self._histogram("batch_posts", "Posts in a batch.", _SIZES)
        self.batch_padding = self._histogram(
            "batch_padding_ratio", "Share of a batch's tokens that is padding.", _SCORES
        )
        self.out_of_memory = self._counter(
            "batches_out_of_memory", "Batches that were too large for the device's memory, and were halved."
        )
        self.in_flight = self._gauge("posts_in_flight", "Posts between intake and commit.")
        self.lag = self._gauge("consumer_lag_posts", "Records not yet read, by partition.", "partition")
        self.assigned_partitions = self._gauge("assigned_partitions", "Partitions this worker holds.")
        self.paused = self._gauge("consumption_paused", "1 while backpressure holds the partitions paused.")
        self.rebalances = self._counter("rebalances", "Changes of the assignment, by kind.", "kind")
        self.commits = self._counter("commits", "Checkpoints committed, by outcome.", "outcome")
        self.release = Info("rpbert_release", "The model release in service.", registry=self.registry)
        self.release_changes = self._counter(
            "release_changes", "Times another release came into service while the worker ran."
        )
        self.releases_refused = self._counter(
            "releases_refused",
            "Tries to bring in a release that failed, by reason: damaged, format, architecture, unsigned, "
            "golden, missing, model, memory, disk, store; the old one serves on.",
            "reason",
        )
        self.candidate = Info(
            "rpbert_candidate_release",
            "The model release on trial or in the shadow; no labels while there is none.",
            registry=self.registry,
        )
        self.trials_ended = self._counter(
            "trials_ended",
            "Trials that ended because the release left a bound: failures, latency, entities, confidence.",
            "reason",
        )
        self.trial_posts = self._counter(
            "trial_posts",
            "Posts that a release on trial tagged, or failed on and left to the served one.",
            "outcome",
        )
        self.shadow_posts = self._counter(
            "shadow_posts",
            "Posts that the candidate tagged in the shadow: same, different, failed.",
            "result",
        )
        self.shadow_entities = self._counter(
            "shadow_entities", "Entities of those posts, by who found them: both, served, candidate.", "found"
        )
        self.shadow_relation = self._histogram(
            "shadow_relation_difference", "How far the relation scores of a picture lie apart.", _SCORES
        )
        self.shadow_seconds = self._histogram(
            "shadow_batch_duration_seconds", "Seconds for the same batch, by release.", _SECONDS, "release"
        )
        self.shadow_skipped = self._counter(
            "shadow_batches_skipped",
            "Batches that were not compared: the candidate was at another, or has another backbone.",
        )
        self.release_store_up = self._gauge(
            "release_store_up",
            "1 while the release store shows where its channels point, else 0.",
        )

        self.fetches = self._counter("image_fetches", "Pictures asked for over HTTP, by status.", "status")
        self.fetched_bytes = self._counter("image_fetched_bytes", "Bytes of pictures received over HTTP.")
        self.refusals = self._counter("image_refusals", "URLs refused by the guard, by reason.", "reason")
        self.rests = self._counter(
            "image_host_rests", "Times a picture host was left alone: it failed, or it asked so.", "reason"
        )
        self.spared = self._counter(
            "image_fetches_spared", "Pictures not asked for, since their host is left alone."
        )
        self.revalidations = self._counter(
            "image_revalidations",
            "Remembered pictures whose host was asked for changes: same, changed.",
            "result",
        )
        self.decoder_ends = self._counter(
            "image_decoder_ends",
            "Decoding processes ended by a picture, by reason: timeout, crash.",
            "reason",
        )
        self.cache_lookups = self._counter(
            "cache_lookups",
            "Pictures looked up, by tier (local, redis): hit, url_hit, content_hit, failure_hit, miss.",
            "tier",
            "result",
        )
        self.cache_foreign = self._counter(
            "cache_foreign_values", "Values in Redis that are damaged or not ours; each is a miss."
        )
        self.cache_bytes = self._counter(
            "cache_bytes", "Bytes of values exchanged with Redis: read, written.", "direction"
        )
        self.cache_local_bytes = self._gauge(
            "cache_local_bytes", "Bytes of features that the worker holds in its own memory."
        )
        self.flights_joined = self._counter(
            "image_flights_joined",
            "Pictures that were already under way when they were asked for: here, in another worker.",
            "where",
        )
        self.cache_up = self._gauge(
            "cache_up", "1 while Redis answers and stores, 0 while the worker goes on without it."
        )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block as one unit of work of the stage `name`."""
        began = perf_counter()
        try:
            yield
        finally:
            self.stage_seconds.labels(name).observe(perf_counter() - began)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"rpbert_{name}", documentation, labels, registry=self.registry)

    def _gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(f"rpbert_{name}", documentation, labels, registry=self.registry)

    def _histogram(
        self, name: str, documentation: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(f"rpbert_{name}", documentation, labels, buckets=buckets, registry=self.registry)


class TrainerMetrics:
    """The metrics of one trainer run, in a registry of its own, for a Pushgateway."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry(auto_describe=True)
        self.ended = self._gauge("last_run_timestamp_seconds", "When the last run ended.")
        self.duration = self._gauge("last_run_duration_seconds", "Seconds that the last run took.")
        self.outcome = self._gauge(
            "last_run_outcome", "1 for how the last run ended: published, refused, failed.", "outcome"
        )
        self.annotations = self._gauge(
            "annotations", "Annotations by what they were for: train, choosing, held_out.", "part"
        )
        self.f1 = self._gauge(
            "f1_ratio",
            "Micro F1 of incumbent and candidate, on dev (mean over its files) and on held_out.",
            "release",
            "data",
        )
        self.batch_seconds = self._gauge(
            "batch_duration_seconds", "Seconds that incumbent and candidate took for one batch.", "release"
        )
        self.failed_checks = self._gauge("failed_checks", "Conditions of the rule that did not hold.")

    def _gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(f"rpbert_trainer_{name}", documentation, labels, registry=self.registry)
