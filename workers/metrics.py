"""Every metric of the workers, in one place (names by the Prometheus conventions, labels bounded).

[The table of them](../docs/metrics.md) is written from here. Values of labels that belong to a module which
is wired with these metrics stand here as text; a test holds them to that module's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, disable_created_metrics

from model.manifest import Fault
from schemas import DeadLetterReason, EntityType, ImageStatus
from workers.declared_metrics import DeclaredMetrics

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_AGES: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3_600)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_SCORES: Final = tuple(tenth / 10 for tenth in range(1, 11))
_BESIDE: Final = ("served", "candidate")
STAGES: Final = (
    *("intake", "pictures", "cache", "turn", "resolve", "connect", "fetch", "decode"),
    *("batching", "describe", "tag", "commit"),
)


class Metrics(DeclaredMetrics):
    """The metrics of one tagger process."""

    def __init__(self) -> None:
        # One more series for each counter, of no use to our rules and dashboards.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        super().__init__("rpbert_")
        for collector in (GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR):
            self.registry.register(collector)
        self._of_posts()
        self._of_the_stages()
        self._of_kafka()
        self._of_releases()
        self._of_candidates()
        self._of_pictures()
        self._of_the_cache()
        self._of_the_device()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block as one unit of work of the stage `name`."""
        began = perf_counter()
        try:
            yield
        finally:
            self.stage_seconds.labels(name).observe(perf_counter() - began)

    def _of_posts(self) -> None:
        self.posts_received = self._counter("posts_received", "Records read from the input topic.")
        self.posts_tagged = self._counter("posts_tagged", "Results committed to the output topic.")
        self.posts_dead = self._counter(
            "posts_dead_lettered",
            "Records committed to the dead letters, by reason.",
            reason=DeadLetterReason,
        )
        self.posts_by_evidence = self._counter(
            "posts_by_evidence",
            "Results committed, by what they were tagged by: text (no picture was asked for), "
            "text_only (pictures were, and none could be had), text_and_picture.",
            evidence=("text", "text_only", "text_and_picture"),
        )
        self.entities = self._counter("entities", "Entities committed, by type.", type=EntityType)
        self.images = self._counter("images", "Pictures of committed posts, by status.", status=ImageStatus)
        self.relation_score = self._histogram("relation_score", "Relation score of each picture.", _SCORES)
        self.entity_score = self._histogram("entity_score", "Posterior probability of each entity.", _SCORES)
        self.post_seconds = self._histogram(
            "post_duration_seconds", "Seconds from a record's arrival in the worker to its commit.", _SECONDS
        )
        self.post_age = self._histogram(
            "post_age_seconds",
            "Seconds from a record's time stamp in the input topic to the commit of its outcome.",
            _AGES,
        )
        self.oldest_post = self._gauge(
            "oldest_post_timestamp_seconds",
            "Time stamp of the oldest record that the worker has read and not committed; 0 if there is none.",
        )

    def _of_the_stages(self) -> None:
        self.stage_seconds = self._histogram(
            "stage_duration_seconds",
            "Seconds a stage took for one unit of its work: a post (intake, pictures, batching), a picture "
            "(turn, resolve, connect, fetch, decode), a batch (describe, tag), a round trip (cache), "
            "a transaction (commit).",
            _SECONDS,
            stage=STAGES,
        )
        self.batch_posts = self._histogram("batch_posts", "Posts in a batch.", _SIZES)
        self.batch_padding = self._histogram(
            "batch_padding_ratio", "Share of a batch's tokens that is padding.", _SCORES
        )
        self.out_of_memory = self._counter(
            "batches_out_of_memory", "Batches that were too large for the device's memory, and were halved."
        )
        self.in_flight = self._gauge("posts_in_flight", "Posts between intake and commit.")
        self.queued = self._gauge(
            "queued_posts",
            "Posts that wait, by what for: intake, their pictures, the engine, a commit.",
            queue=("intake", "pictures", "engine", "commit"),
        )

    def _of_kafka(self) -> None:
        self.lag = self._gauge("consumer_lag_posts", "Records not yet read, by partition.", partition=None)
        self.assigned_partitions = self._gauge("assigned_partitions", "Partitions this worker holds.")
        self.paused = self._gauge("consumption_paused", "1 while backpressure holds the partitions paused.")
        self.rebalances = self._counter(
            "rebalances", "Changes of the assignment, by kind.", kind=("assigned", "revoked", "lost")
        )
        self.commits = self._counter(
            "commits",
            "Checkpoints committed, each a transaction, by outcome.",
            outcome=("committed", "failed"),
        )

    def _of_releases(self) -> None:
        self.release = self._info("release", "The model release in service.", name=None, version=None)
        self.release_changes = self._counter(
            "release_changes", "Times another release came into service while the worker ran."
        )
        self.releases_refused = self._counter(
            "releases_refused",
            "Tries to bring in a release that failed, by reason; the old one serves on.",
            reason=Fault,
        )
        self.release_followed = self._gauge(
            "release_followed", "1 if the worker follows a channel of a release store, else 0."
        )
        self.release_store_up = self._gauge(
            "release_store_up",
            "1 while the release store shows where its channels point, else 0.",
        )
        self.release_behind = self._gauge(
            "release_behind",
            "1 while the followed channel points to another release than the one in service, else 0.",
        )
        self.release_pointed = self._gauge(
            "release_channel_pointed_timestamp_seconds",
            "When the followed channel was pointed to the release that it points to; 0 if none is followed.",
        )

    def _of_candidates(self) -> None:
        self.candidate = self._info(
            "candidate_release",
            "The model release on trial or in the shadow; no labels while there is none.",
            name=None,
            version=None,
        )
        self.trials_ended = self._counter(
            "trials_ended",
            "Trials that ended because the release left a bound.",
            reason=("failures", "latency", "entities", "confidence"),
        )
        self.trial_posts = self._counter(
            "trial_posts",
            "Posts that a release on trial tagged, or failed on and left to the served one.",
            outcome=("tagged", "failed"),
        )
        self.shadow_posts = self._counter(
            "shadow_posts",
            "Posts that the candidate tagged in the shadow.",
            result=("same", "different", "failed"),
        )
        self.shadow_entities = self._counter(
            "shadow_entities", "Entities of those posts, by who found them.", found=("both", *_BESIDE)
        )
        self.shadow_relation = self._histogram(
            "shadow_relation_difference", "How far the relation scores of a picture lie apart.", _SCORES
        )
        self.shadow_seconds = self._histogram(
            "shadow_batch_duration_seconds",
            "Seconds for the same batch, by release.",
            _SECONDS,
            release=_BESIDE,
        )
        self.shadow_skipped = self._counter(
            "shadow_batches_skipped",
            "Batches that were not compared: the candidate was at another, or has another backbone.",
        )

    def _of_pictures(self) -> None:
        self.fetches = self._counter(
            "image_fetches", "Pictures asked for over HTTP, by status.", status=ImageStatus
        )
        self.fetched_bytes = self._counter("image_fetched_bytes", "Bytes of pictures received over HTTP.")
        self.refusals = self._counter(
            "image_refusals",
            "URLs refused by the guard, by reason.",
            reason=("syntax", "scheme", "userinfo", "host", "port", "address", "downgrade"),
        )
        self.rests = self._counter(
            "image_host_rests",
            "Times a picture host was left alone: it failed, or it asked so.",
            reason=("failed", "asked"),
        )
        self.spared = self._counter(
            "image_fetches_spared", "Pictures not asked for, since their host is left alone."
        )
        self.revalidations = self._counter(
            "image_revalidations",
            "Remembered pictures whose host was asked for changes.",
            result=("same", "changed"),
        )
        self.decoder_ends = self._counter(
            "image_decoder_ends",
            "Decoding processes ended before their time, by reason.",
            reason=("timeout", "crash"),
        )
        self.flights_joined = self._counter(
            "image_flights_joined",
            "Pictures that were already under way when they were asked for, by where.",
            where=("here", "in another worker"),
        )

    def _of_the_cache(self) -> None:
        self.cache_lookups = self._counter(
            "cache_lookups",
            "Pictures looked up, by tier and what was found.",
            tier=("local", "redis"),
            result=("hit", "url_hit", "content_hit", "failure_hit", "miss"),
        )
        self.cache_foreign = self._counter(
            "cache_foreign_values", "Values in Redis that are damaged or not ours; each is a miss."
        )
        self.cache_bytes = self._counter(
            "cache_bytes", "Bytes of values exchanged with Redis.", direction=("read", "written")
        )
        self.cache_local_bytes = self._gauge(
            "cache_local_bytes", "Bytes of features that the worker holds in its own memory."
        )
        self.cache_configured = self._gauge("cache_configured", "1 if the worker is to use a Redis, else 0.")
        self.cache_up = self._gauge(
            "cache_up", "1 while Redis answers and stores, 0 while the worker goes on without it."
        )

    def _of_the_device(self) -> None:
        self.device_memory = self._gauge(
            "device_memory_bytes",
            "Memory of the GPU: total, used (by all processes), reserved (by PyTorch), "
            "allocated (by tensors); nothing on a CPU.",
            device=None,
            kind=("total", "used", "reserved", "allocated"),
        )
        self.device_utilization = self._gauge(
            "device_utilization_ratio",
            "Share of the last moments in which the GPU ran a kernel, as NVML says; nothing on a CPU.",
            device=None,
        )


class SupervisorMetrics(DeclaredMetrics):
    """What is told of the processes of a worker that runs several."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        super().__init__("rpbert_worker_process_")
        self.up = self._gauge("up", "1 while the process runs.", process=None)
        self.restarts = self._counter(
            "restarts", "Times the process has ended by itself and was started again.", process=None
        )


class TrainerMetrics(DeclaredMetrics):
    """The metrics of one trainer run, for a Pushgateway."""

    def __init__(self) -> None:
        super().__init__("rpbert_trainer_")
        self.ended = self._gauge("last_run_timestamp_seconds", "When the last run ended.")
        self.duration = self._gauge("last_run_duration_seconds", "Seconds that the last run took.")
        self.outcome = self._gauge(
            "last_run_outcome", "1 for how the last run ended.", outcome=("published", "refused", "failed")
        )
        self.annotations = self._gauge(
            "annotations", "Annotations by what they were for.", part=("train", "choosing", "held_out")
        )
        self.f1 = self._gauge(
            "f1_ratio",
            "Micro F1 of incumbent and candidate, on dev (mean over its files) and on held_out.",
            release=("incumbent", "candidate"),
            data=("dev", "held_out"),
        )
        self.batch_seconds = self._gauge(
            "batch_duration_seconds",
            "Seconds that incumbent and candidate took for one batch.",
            release=("incumbent", "candidate"),
        )
        self.failed_checks = self._gauge("failed_checks", "Conditions of the rule that did not hold.")
