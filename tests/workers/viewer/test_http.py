"""The page's addresses, asked without a browser."""

import base64
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from pydantic import SecretStr

from schemas import AnnotatedPost, Post
from tests.workers.viewer.client import OWN, Event, ask, events, posts
from tests.workers.viewer.stand import Stand, tagged
from workers.settings import ViewerSettings
from workers.viewer.server import ViewerServer
from workers.viewer.shown import Place, ShownPost

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


def awaited(url: str, name: str, *, last: str = "") -> Event:
    """The event that brings the post of that id."""
    with events(url, last=last) as stream:
        return next(event for event in posts(stream) if name in [post["id"] for post in event.data["posts"]])


def shown(number: int) -> ShownPost:
    post, result = tagged(f"post {number}")
    return ShownPost(Place(0, number), result, post)


def place_of(event: Event, name: str) -> str:
    return next(str(post["place"]) for post in event.data["posts"] if post["id"] == name)


def test_every_answer_has_the_strict_policy(viewer: ViewerServer) -> None:
    for path in ("/", "/posts/0-0", "/static/viewer.js", "/api/about", "/api/posts/0-999", "/nowhere"):
        policy = ask(viewer.url + path).headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy


def test_nothing_is_loaded_from_elsewhere(viewer: ViewerServer) -> None:
    for name in (
        "",
        "static/viewer.css",
        "static/viewer.js",
        "static/card.js",
        "static/dom.js",
        "static/editor.js",
    ):
        source = ask(f"{viewer.url}/{name}").body.decode()
        assert "//cdn" not in source
        assert "https://" not in source


def test_who_comes_gets_the_last_posts_and_then_the_next(viewer: ViewerServer, stand: Stand) -> None:
    stand.publish(tagged("Ada Lovelace in London", [("PER", "Ada Lovelace", 0.9)], name="first"))
    seen = awaited(viewer.url, "first")
    shown = next(post for post in seen.data["posts"] if post["id"] == "first")
    assert shown["text"] == "Ada Lovelace in London"
    assert shown["entities"] == [{"type": "PER", "text": "Ada Lovelace", "start": 0, "end": 12, "score": 0.9}]
    assert shown["latency_ms"] >= 0
    with events(viewer.url, last=seen.id) as stream:
        stand.publish(tagged("and then Turin", name="second"))
        event = next(posts(stream))
        while not event.data["posts"]:
            event = next(posts(stream))
    assert [post["id"] for post in event.data["posts"]] == ["second"]


def test_who_comes_back_gets_what_he_missed_and_no_more(viewer: ViewerServer, stand: Stand) -> None:
    stand.publish(tagged("before", name="before"))
    seen = awaited(viewer.url, "before")
    stand.publish(tagged("missed", name="missed"))
    awaited(viewer.url, "missed")
    again = awaited(viewer.url, "missed", last=seen.id)
    assert [post["id"] for post in again.data["posts"]] == ["missed"]
    assert again.data["skipped"] == 0


def test_an_id_of_another_run_gets_the_last_posts(viewer: ViewerServer, stand: Stand) -> None:
    stand.publish(tagged("of old", name="of-old"))
    awaited(viewer.url, "of-old")
    with events(viewer.url, last="another-7") as stream:
        assert "of-old" in [post["id"] for post in next(posts(stream)).data["posts"]]


def test_a_written_post_goes_to_the_input_topic(viewer: ViewerServer, stand: Stand) -> None:
    uploaded = ask(f"{viewer.url}/api/uploads", body=PIXEL, headers=OWN)
    url = uploaded.content["url"]
    answer = ask(f"{viewer.url}/api/posts", body={"text": "From Reykjavik", "image_urls": [url]}, headers=OWN)
    assert (uploaded.status, answer.status) == (201, 202)
    written = [Post.model_validate_json(record.value) for record in stand.records(stand.raw, 1)]
    (post,) = [post for post in written if post.id == answer.content["id"]]
    assert (post.text, post.pictures) == ("From Reykjavik", (url,))
    fetched = ask(url)
    assert fetched.body == PIXEL
    assert "sandbox" in fetched.headers["Content-Security-Policy"]


def test_a_correction_goes_to_the_annotation_topic(viewer: ViewerServer, stand: Stand) -> None:
    stand.publish(tagged("😀 Paris stayed in Berlin", images=[("http://host/a.jpg", 0.2)], name="wrong"))
    place = place_of(awaited(viewer.url, "wrong"), "wrong")
    correction = {
        "entities": [{"type": "PER", "start": 2, "end": 7}, {"type": "LOC", "start": 18, "end": 24}],
        "relations": [True],
        "annotator": "vera",
    }
    answer = ask(f"{viewer.url}/api/posts/{place}/correction", body=correction, headers=OWN)
    assert answer.status == 202
    record = stand.records(stand.annotations, 1)[-1]
    annotated = AnnotatedPost.model_validate_json(record.value)
    assert record.key == b"wrong"
    assert [annotated.post.text[each.start : each.end] for each in annotated.entities] == ["Paris", "Berlin"]
    assert (annotated.relations, annotated.annotator) == ((True,), "vera")


@pytest.mark.parametrize(
    ("correction", "says"),
    [
        ({"entities": [{"type": "PER", "start": 0, "end": 99}], "annotator": "v"}, "ends at 99"),
        ({"entities": [{"type": "DOG", "start": 0, "end": 1}], "annotator": "v"}, "entities.0.type"),
        ({"entities": [{"type": "PER", "start": 5, "end": 6}], "annotator": "v"}, "no word"),
        ({"entities": [], "relations": [True], "annotator": "v"}, "relations has 1 values"),
        ({"entities": [], "annotator": ""}, "annotator"),
        ({"entities": []}, "annotator"),
    ],
)
def test_a_wrong_correction_is_refused_by_field(
    viewer: ViewerServer, stand: Stand, correction: dict[str, object], says: str
) -> None:
    stand.publish(tagged("plain words", name="plain"))
    place = place_of(awaited(viewer.url, "plain"), "plain")
    answer = ask(f"{viewer.url}/api/posts/{place}/correction", body=correction, headers=OWN)
    assert answer.status == 422
    assert says in answer.content["error"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/posts", {"text": "x" * 70_000}, 422),
        ("/api/posts", {"text": "x", "image_urls": ["http://h/a"] * 5}, 422),
        ("/api/posts", b"no json", 422),
        ("/api/posts", b"x" * 600_000, 413),
        ("/api/uploads", b"<html>", 415),
        ("/api/uploads", b"\x89PNG\r\n\x1a\n" + bytes(10_000_000), 413),
    ],
)
def test_what_can_t_be_written_is_refused(viewer: ViewerServer, path: str, body: object, status: int) -> None:
    answer = ask(viewer.url + path, body=body, headers=OWN)
    assert answer.status == status
    assert answer.content["error"]


def test_another_page_of_the_same_browser_writes_nothing(viewer: ViewerServer) -> None:
    # What a form or a simple request of another origin can send lacks the header.
    answer = ask(f"{viewer.url}/api/posts", body={"text": "forged"}, headers={"Content-Type": "text/plain"})
    assert answer.status == 403


def test_a_name_that_was_rebound_to_this_machine_reads_nothing(viewer: ViewerServer) -> None:
    port = urlsplit(viewer.url).port
    assert ask(f"{viewer.url}/api/about", headers={"Host": f"evil.example:{port}"}).status == 400


def test_nothing_is_written_unless_it_is_allowed(stand: Stand) -> None:
    with ViewerServer(ViewerSettings(kafka=stand.kafka, viewer_port=0, hide_pictures=True)) as closed:
        for path, flag in (
            ("/api/posts", "--allow-posts"),
            ("/api/uploads", "--allow-posts"),
            ("/api/posts/0-0/correction", "--allow-corrections"),
        ):
            answer = ask(closed.url + path, body={"text": "x"}, headers=OWN)
            assert answer.status == 403
            assert flag in answer.content["error"]


def test_a_wrong_token_is_refused(stand: Stand) -> None:
    settings = ViewerSettings(
        kafka=stand.kafka,
        viewer_port=0,
        hide_pictures=True,
        allow_posts=True,
        viewer_token=SecretStr("valid"),
    )
    with ViewerServer(settings) as server:
        for token in ("", "val", "valid-not", "välid"):
            headers = OWN | {"Authorization": f"Bearer {token}"}
            answer = ask(f"{server.url}/api/posts", body={"text": "x"}, headers=headers)
            assert answer.status == 401
            assert "RPBERT_VIEWER_TOKEN" in answer.content["error"]
        headers = OWN | {"Authorization": "Bearer valid"}
        assert ask(f"{server.url}/api/posts", body={"text": "with a token"}, headers=headers).status == 202


def test_so_many_browsers_follow_and_no_more(stand: Stand) -> None:
    settings = ViewerSettings(kafka=stand.kafka, viewer_port=0, hide_pictures=True, max_viewers=1)
    with ViewerServer(settings) as server, events(server.url) as stream:
        next(stream)
        answer = ask(f"{server.url}/api/events")
        assert answer.status == 503
        assert "--max-viewers" in answer.content["error"]


def test_who_comes_before_the_last_posts_are_read_gets_them_all(empty_stand: Stand) -> None:
    settings = ViewerSettings(kafka=empty_stand.kafka, viewer_port=0, hide_pictures=True, history=60)
    with ViewerServer(settings) as server, events(server.url) as stream:
        following = posts(stream)
        assert next(following).data["posts"] == []
        server.timeline.add([shown(number) for number in range(60)], passed_over=5)
        begun = next(following).data
        assert (len(begun["posts"]), begun["skipped"]) == (60, 0)
        server.timeline.add([shown(number) for number in range(60, 100)])
        flood = next(following).data
        assert (len(flood["posts"]), flood["skipped"]) == (30, 10)


def test_a_link_holds_beyond_the_history(stand: Stand) -> None:
    stand.publish(tagged("long ago", name="long-ago"), *(tagged(f"later {each}") for each in range(3)))
    settings = ViewerSettings(kafka=stand.kafka, viewer_port=0, hide_pictures=True, history=2)
    with ViewerServer(settings) as server:
        with events(server.url) as stream:
            begun = next(event for event in posts(stream) if event.data["posts"]).data["posts"]
        assert [post["text"] for post in begun] == ["later 1", "later 2"]
        offset = int(begun[0]["place"].partition("-")[2]) - 2
        older = ask(f"{server.url}/api/posts/0-{offset}").content
        assert (older["id"], older["text"]) == ("long-ago", "long ago")
        for place, status in (("0-999999", 404), ("7-0", 404), ("x", 404)):
            answer = ask(f"{server.url}/api/posts/{place}")
            assert answer.status == status
            assert place in answer.content["error"]


def test_the_lag_is_that_of_the_workers_group(viewer: ViewerServer, stand: Stand) -> None:
    stand.publish(tagged("one more"), tagged("and one"))
    group = f"group-{stand.raw}"
    with closing(KafkaConsumer(bootstrap_servers=stand.bootstrap_servers, group_id=group)) as member:
        partition = TopicPartition(stand.raw, 0)
        member.assign([partition])
        behind = member.end_offsets([partition])[partition] - 2
        member.commit({partition: OffsetAndMetadata(behind, "", -1)})
    settings = ViewerSettings(kafka=stand.kafka, viewer_port=0, hide_pictures=True, group_id=group)
    with ViewerServer(settings) as server, events(server.url) as stream:
        told = (event.data["lag"] for event in stream if event.name == "statistics")
        assert next(lag for lag in told if lag is not None) == 2
    with events(viewer.url) as stream:
        # Its group has committed nothing: no figure, not 0.
        assert next(event for event in stream if event.name == "statistics").data["lag"] is None
