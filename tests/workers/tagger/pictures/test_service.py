import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import pytest
import redis
from structlog.testing import capture_logs

from schemas import ImageStatus
from workers.errors import SetupError
from workers.local.picture_faults import hanging, status
from workers.local.picture_host import PictureHost
from workers.local.valkey import ValkeyServer
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.loader import Loader
from workers.tagger.pictures.picture import Picture
from workers.tagger.pictures.service import PictureService

Serving = Callable[..., PictureService]
Answers = SimpleQueue[tuple[Picture, ...]]
PATIENCE = 30


def nothing_more(answers: Answers) -> bool:
    try:
        answers.get(timeout=0.2)
    except Empty:
        return True
    return False


def test_pictures_of_a_post_are_handed_over_in_the_pictures_thread(
    serving: Serving, picture_host: PictureHost, jpeg: bytes
) -> None:
    urls = (picture_host.add("a.jpg", jpeg), picture_host.url_of("gone.jpg"))
    answers: SimpleQueue[tuple[str, tuple[Picture, ...]]] = SimpleQueue()
    serving().submit(urls, lambda pictures: answers.put((threading.current_thread().name, pictures)))
    thread, pictures = answers.get(timeout=PATIENCE)
    assert thread == "pictures"
    assert [(entry.url, entry.status) for entry in pictures] == [(urls[0], "ok"), (urls[1], "http_error")]


def test_every_post_is_answered_exactly_once(
    serving: Serving, picture_host: PictureHost, jpeg: bytes
) -> None:
    good = picture_host.add("a.jpg", jpeg)
    bad = picture_host.add("b.jpg", status(500))
    slow = picture_host.add("c.jpg", hanging())
    posts: list[tuple[str, ...]] = [(), (good,), (good, good, bad), ("no URL",), (slow, good), (bad,)] * 20
    service = serving(fetch_timeout=0.5, fetch_read_timeout=0.5)
    answers: Answers = SimpleQueue()

    def submit(part: list[tuple[str, ...]]) -> None:
        for urls in part:
            service.submit(urls, answers.put)

    threads = [threading.Thread(target=submit, args=(part,)) for part in (posts[::2], posts[1::2])]
    for thread in threads:
        thread.start()
    given = [answers.get(timeout=PATIENCE) for _ in posts]
    assert nothing_more(answers)
    assert sorted(tuple(entry.url for entry in pictures) for pictures in given) == sorted(posts)


def test_a_bug_of_ours_still_answers(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: Loader, urls: Any) -> None:
        raise LookupError

    monkeypatch.setattr(Loader, "load", broken)
    answers: Answers = SimpleQueue()
    with capture_logs() as logs:
        serving().submit(("http://a.example/?token=secret", "b"), answers.put)
        pictures = answers.get(timeout=PATIENCE)
    assert [entry.status for entry in pictures] == [ImageStatus.UNREACHABLE] * 2
    assert nothing_more(answers)
    assert [line["log_level"] for line in logs] == ["error"]
    assert "secret" not in str(logs)


def test_a_post_that_can_not_take_its_pictures_costs_the_others_nothing(serving: Serving) -> None:
    answers: Answers = SimpleQueue()
    calls = 0

    def refuse(pictures: tuple[Picture, ...]) -> None:
        nonlocal calls
        calls += 1
        raise LookupError

    service = serving()
    with capture_logs() as logs:
        service.submit(("no URL",), refuse)
        service.submit(("no URL",), answers.put)
        answers.get(timeout=PATIENCE)
    assert calls == 1
    assert [line["log_level"] for line in logs] == ["error"]


def test_nothing_is_answered_after_close(serving: Serving, picture_host: PictureHost) -> None:
    url = picture_host.add("a.jpg", hanging())
    service = serving(fetch_timeout=60, fetch_read_timeout=60)
    answers: Answers = SimpleQueue()
    for _ in range(50):
        service.submit((url, "no URL"), answers.put)
    while not picture_host.hits["a.jpg"]:
        pass
    service.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "pictures"]
    assert nothing_more(answers)
    with pytest.raises(RuntimeError, match="not running"):
        service.submit((url,), answers.put)
    service.remember("00" * 32, np.zeros((49, 8), np.float16))
    service.close()


def test_it_works_only_once_started(settings: Callable[..., PictureSettings], metrics: Metrics) -> None:
    service = PictureService(settings(), backbone_digest="b", feature_channels=8, metrics=metrics)
    with pytest.raises(RuntimeError, match="not running"):
        service.submit((), print)
    service.close()


def test_a_wrong_redis_url_is_told_before_the_start(
    settings: Callable[..., PictureSettings], metrics: Metrics
) -> None:
    with pytest.raises(SetupError, match="redis_url"):
        PictureService(
            settings(redis_url="localhost"), backbone_digest="b", feature_channels=8, metrics=metrics
        )


def test_remembered_features_come_back_to_another_worker(
    serving: Serving, picture_host: PictureHost, valkey: ValkeyServer, jpeg: bytes
) -> None:
    with redis.Redis.from_url(valkey.url) as store:
        store.flushall()
        url = picture_host.add("a.jpg", jpeg)
        features = np.random.default_rng(2).standard_normal((49, 8)).astype(np.float16)
        answers: Answers = SimpleQueue()
        service = serving(redis_url=valkey.url, cache_timeout=5.0)
        service.submit((url,), answers.put)
        (first,) = answers.get(timeout=PATIENCE)
        assert first.content is not None
        service.remember(first.content, features)
        while len(list(store.scan_iter("rpbert:[uf][re]*"))) != 2:
            pass
        serving(redis_url=valkey.url, cache_timeout=5.0).submit((url,), answers.put)
        (second,) = answers.get(timeout=PATIENCE)
    assert second.features is not None
    assert second.features.tobytes() == features.tobytes()
    assert picture_host.hits["a.jpg"] == 1


def test_posts_go_on_while_redis_is_gone(serving: Serving, picture_host: PictureHost, jpeg: bytes) -> None:
    url = picture_host.add("a.jpg", jpeg)
    with ValkeyServer() as server:
        service = serving(redis_url=server.url)
        answers: Answers = SimpleQueue()
        server.kill()
        service.submit((url,), answers.put)
        (entry,) = answers.get(timeout=PATIENCE)
        assert entry.pixels is not None
        assert entry.content is not None
        features = np.zeros((49, 8), np.float16)
        service.remember(entry.content, features)
        # Its own memory serves on.
        assert service.described(entry.content) is features
        for _ in range(5):
            service.submit((url,), answers.put)
            (again,) = answers.get(timeout=PATIENCE)
            assert again.features is features
    assert picture_host.hits["a.jpg"] == 1
