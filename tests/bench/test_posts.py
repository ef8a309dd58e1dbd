"""The posts of the benches are posts, the same each time, with words that no cache has learnt by heart."""

from statistics import fmean

from bench.posts import Posts
from bench.stand_ins import NoNetwork
from model.inference import Tagger, TagRequest
from schemas import Post


def test_posts_are_about_as_long_as_those_of_twitter_2017() -> None:
    lengths = [len(Posts().text(number).split()) for number in range(500)]
    assert 3 <= min(lengths) <= max(lengths) <= 39
    assert 15 < fmean(lengths) < 17


def test_each_is_made_from_its_number_and_can_be_read() -> None:
    posts = Posts(("http://127.0.0.1/a.jpg", "http://127.0.0.1/b.jpg"), pictures=2)
    assert posts.value(7) == posts.value(7) != posts.value(8)
    assert Post.model_validate_json(posts.value(7)).text == posts.text(7)
    assert len(Post.model_validate_json(posts.value(7)).pictures) == 2
    assert Post.model_validate_json(Posts().value(7)).pictures == ()


def test_every_post_has_words_that_none_had_before() -> None:
    seen: set[str] = set()
    for number in range(200):
        words = set(Posts().text(number).split())
        assert words - seen
        seen |= words


def test_what_a_stand_in_describes_is_not_taken_for_its_release_s(tiny_release: str) -> None:
    release = Tagger.load(str(tiny_release), dtype="float32")
    assert NoNetwork(release).backbone_digest != release.backbone_digest


def test_a_stand_in_answers_for_every_post_with_what_stands_in_its_text(tiny_release: str) -> None:
    stand_in = NoNetwork(Tagger.load(str(tiny_release), dtype="float32"))
    texts = [Posts().text(number) for number in range(5)]
    taggings = stand_in.tag([TagRequest(stand_in.prepare(text)) for text in texts])
    for text, tagging in zip(texts, taggings, strict=True):
        assert tagging.entities
        assert all(text[each.start : each.end] == each.text for each in tagging.entities)
