from tests.workers.viewer.stand import tagged
from workers.viewer.shown import Place, ShownPost
from workers.viewer.timeline import Timeline


def shown(number: int, text: str = "short") -> ShownPost:
    post, result = tagged(text)
    return ShownPost(Place(0, number), result, post)


def test_it_holds_so_many_posts_and_no_more() -> None:
    timeline = Timeline(3)
    timeline.add([shown(number) for number in range(10)])
    assert len(timeline.behind(0, most=100).posts) == 3
    assert timeline.find(Place(0, 6)) is None
    assert timeline.find(Place(0, 7)) is not None


def test_it_holds_so_many_bytes_and_no_more() -> None:
    timeline = Timeline(100, max_bytes=5_000)
    timeline.add([shown(number, "x" * 1_000) for number in range(20)])
    assert 1 <= len(timeline.behind(0, most=100).posts) <= 4
    assert timeline.find(Place(0, 19)) is not None


def test_who_is_slow_is_told_what_passed_him_by() -> None:
    timeline = Timeline(3)
    timeline.add([shown(0)])
    seen = timeline.behind(0, most=100).last
    timeline.add([shown(number) for number in range(1, 11)])
    timeline.add([shown(11)], passed_over=5)
    batch = timeline.behind(seen, most=2)
    assert len(batch.posts) == 2
    assert batch.skipped == 14
    assert timeline.behind(batch.last, most=2).posts == ()
