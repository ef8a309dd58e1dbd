"""A post is never lost to its pictures, and a picture is fetched no more often than it must be."""

import json
from itertools import count

import pytest
import redis

from schemas import ImageStatus, TaggedPost
from tests.pipeline import Pipeline, told
from tests.workers.tagger.in_process import wait_until
from workers.local.picture_faults import hanging
from workers.local.picture_host import PictureHost
from workers.local.samples import picture_bytes, picture_names
from workers.local.valkey import ValkeyServer


def post(name: str, *urls: str) -> tuple[None, bytes, list[tuple[str, bytes]]]:
    return None, json.dumps({"id": name, "text": "Over Lisbon", "image_urls": urls}).encode(), []


def test_each_picture_says_what_became_of_it(pipeline: Pipeline, picture_host: PictureHost) -> None:
    pipeline.worker()
    name = picture_names()[0]
    good = picture_host.add("good.jpg", picture_bytes(name))
    page = picture_host.add("page.jpg", b"<html>not a picture</html>")
    half = picture_host.add("half.jpg", picture_bytes(name)[:2_000])
    missing = picture_host.url_of("missing.jpg")
    pipeline.produce(
        [
            post("all", good, missing, page, half),
            post("refused", "http://169.254.169.254/latest/meta-data", "ftp://host/a.jpg", "no url"),
            post("none"),
        ]
    )
    results = {result.id: result for _, result in pipeline.results(3)}
    assert [image.status for image in results["all"].images] == [
        ImageStatus.OK,
        ImageStatus.HTTP_ERROR,
        ImageStatus.NOT_A_PICTURE,
        ImageStatus.BROKEN,
    ]
    assert [image.url for image in results["all"].images] == [good, missing, page, half]
    assert results["all"].relevance == results["all"].images[0].relevance is not None
    assert [image.status for image in results["refused"].images] == [
        ImageStatus.REFUSED,
        ImageStatus.BAD_URL,
        ImageStatus.BAD_URL,
    ]
    assert results["refused"].relevance is None
    assert results["none"].images == ()


def test_a_host_that_hangs_costs_its_posts_their_picture_and_no_other_post_anything(
    pipeline: Pipeline, picture_host: PictureHost
) -> None:
    pipeline.worker("--fetch-timeout", "2", "--fetch-read-timeout", "1", "--fetch-connect-timeout", "1")
    silent = picture_host.add("silent.jpg", hanging())
    stuck = picture_host.add("stuck.jpg", hanging(after_headers=True))
    good = picture_host.add("good.jpg", picture_bytes(picture_names()[0]))
    pipeline.produce([post("silent", silent), post("good", good), post("stuck", stuck), post("none")])
    results = {result.id: result for _, result in pipeline.results(4)}
    assert [image.status for image in results["silent"].images] == [ImageStatus.TIMEOUT]
    assert [image.status for image in results["stuck"].images] == [ImageStatus.TIMEOUT]
    assert results["good"].images[0].status is ImageStatus.OK
    names = {name: [entity.text for entity in result.entities] for name, result in results.items()}
    assert names["silent"] == names["stuck"] == names["none"]


def test_a_reposted_picture_is_fetched_once_for_all_workers(
    pipeline: Pipeline, picture_host: PictureHost
) -> None:
    url = picture_host.add("shared.jpg", picture_bytes(picture_names()[1]))
    first = pipeline.worker()
    pipeline.produce([post("first", url)])
    pipeline.results(1)
    first.stop()
    pipeline.worker()
    pipeline.produce([post(f"again-{number}", url) for number in range(20)])
    results = [result for _, result in pipeline.results(21)]
    assert len(results) == 21
    assert picture_host.hits["shared.jpg"] == 1
    scores = [result.relevance for result in results if result.relevance is not None]
    assert max(scores) - min(scores) < 1e-3


def test_the_worker_goes_on_without_redis_and_finds_it_again(
    pipeline: Pipeline, picture_host: PictureHost
) -> None:
    with ValkeyServer() as own:
        pipeline.redis_url = own.url
        worker = pipeline.worker()
        url = picture_host.add("a.jpg", picture_bytes(picture_names()[0]))
        own.kill()
        pipeline.produce([post(f"without-{number}", url) for number in range(5)])
        results = [result for _, result in pipeline.results(5)]
        assert all(result.images[0].status is ImageStatus.OK for result in results)
        assert "rpbert_cache_up 0.0" in worker.metrics()
        own.start()
        for attempt in range(60):
            pipeline.produce([post(f"with-{attempt}", url)])
            pipeline.results(6 + attempt)
            if "rpbert_cache_up 1.0" in worker.metrics():
                break
        assert "rpbert_cache_up 1.0" in worker.metrics()


@pytest.mark.timeout(400)
def test_a_full_redis_changes_no_answer(pipeline: Pipeline, picture_host: PictureHost) -> None:
    names = picture_names()[:4]
    urls = [picture_host.add(name, picture_bytes(name)) for name in names]

    def features(store: redis.Redis) -> int:
        return len(list(store.scan_iter("rpbert:features:*")))

    rounds = count()
    posted: list[str] = []

    def tagged(pictures: slice) -> dict[str, TaggedPost]:
        turn = {f"{next(rounds)}-{number}": url for number, url in enumerate(urls[pictures])}
        pipeline.produce([post(name, url) for name, url in turn.items()])
        posted.extend(turn)
        results = [result for _, result in pipeline.results(len(posted)) if result.id in turn]
        assert {result.images[0].status for result in results} == {ImageStatus.OK}
        return {result.images[0].url: result for result in results}

    with ValkeyServer(max_memory_mb=8) as own, redis.Redis.from_url(own.url) as store:
        # Full of what others left, which has not been asked for since.
        while not store.info("stats")["evicted_keys"]:
            store.set(f"other:{store.dbsize()}:{own.pid}", bytes(100_000))
        pipeline.redis_url = own.url
        worker = pipeline.worker("--local-cache-mb", "0")
        cold = tagged(slice(2))
        wait_until(lambda: features(store) == 2, "the least recently used made room")
        warm = tagged(slice(2))
        for url, result in warm.items():
            assert [entity.text for entity in result.entities] == [
                entity.text for entity in cold[url].entities
            ]
            assert result.relevance == pytest.approx(cold[url].relevance, abs=1e-3)
        assert told(worker, "cache_up") == 1

        store.config_set("maxmemory-policy", "noeviction")
        store.config_set("maxmemory", store.info("memory")["used_memory"] // 2)
        tagged(slice(4))
        wait_until(lambda: told(worker, "cache_up") == 0, "it is told that nothing can be written")
        assert "set maxmemory-policy allkeys-lru" in worker.log_path.read_text()
        # What it holds is read on; what it could not take is had again.
        tagged(slice(4))
        assert features(store) == 2
        assert [picture_host.hits[name] for name in names] == [1, 1, 2, 2]

        store.config_set("maxmemory", 0)
        for _ in range(60):
            tagged(slice(2, 4))
            if told(worker, "cache_up") == 1 and features(store) == 4:
                break
        assert (told(worker, "cache_up"), features(store)) == (1, 4)
