"""What several processes tell, as one page."""

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from workers.metrics import Metrics, SupervisorMetrics
from workers.tagger.merged import merged


def page(tagged: int, lag: int) -> str:
    metrics = Metrics()
    metrics.posts_tagged.inc(tagged)
    metrics.lag.labels("3").set(lag)
    metrics.batch_posts.observe(tagged)
    metrics.release.info({"name": "small", "version": "1"})
    return generate_latest(metrics.registry).decode()


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_each_process_s_figures_stand_beside_the_others_under_its_number() -> None:
    own = SupervisorMetrics()
    own.up.labels("0").set(1)
    text = merged({0: page(5, 40), 2: page(7, 0)}, own.registry).decode()
    found = samples(text)

    def told(sample: str, /, **labels: str) -> float:
        return found[sample, frozenset(labels.items())]

    assert told("rpbert_posts_tagged_total", process="0") == 5
    assert told("rpbert_posts_tagged_total", process="2") == 7
    assert told("rpbert_consumer_lag_posts", process="0", partition="3") == 40
    assert told("rpbert_consumer_lag_posts", process="2", partition="3") == 0
    assert told("rpbert_batch_posts_bucket", process="2", le="8.0") == 1
    assert told("rpbert_release_info", process="0", name="small", version="1") == 1
    assert told("rpbert_worker_process_up", process="0") == 1


def test_a_family_is_described_once() -> None:
    text = merged({0: page(1, 1), 1: page(2, 2)}, SupervisorMetrics().registry).decode()
    types = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(types) == len(set(types)) > 20


def test_what_one_process_has_alone_is_there() -> None:
    metrics = Metrics()
    metrics.posts_dead.labels("empty").inc()
    alone = generate_latest(metrics.registry).decode()
    found = samples(merged({0: page(1, 1), 1: alone}, SupervisorMetrics().registry).decode())
    assert found["rpbert_posts_dead_lettered_total", frozenset({("reason", "empty"), ("process", "1")})] == 1
