import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from model.surface import characters, shape
from model.words import WordPieces, cut, window_spans
from tests.model.tiny import tiny_tokenizer


def texts(text: str) -> list[str]:
    return [word.text for word in cut(text)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("RT @NASA: #Artemis1 lifts off!!!", ["RT", "@NASA", ":", "#Artemis1", "lifts", "off", "!!!"]),
        ("see https://t.co/aB3_x), ok", ["see", "https://t.co/aB3_x", ")", ",", "ok"]),
        ("www.example.org/a?b=c.", ["www.example.org/a?b=c", "."]),
        ("write to a.b@c.org now", ["write", "to", "a.b@c.org", "now"]),
        ("at 10:30 for 3.50 in #2", ["at", "10:30", "for", "3.50", "in", "#", "2"]),
        ("👩🏽‍🚀👍🏾❤️", ["👩🏽‍🚀", "👍🏾", "❤️"]),
        ("🇵🇹🇫🇷", ["🇵🇹", "🇫🇷"]),
        ("🏴󠁧󠁢󠁳󠁣󠁴󠁿 1️⃣", ["🏴󠁧󠁢󠁳󠁣󠁴󠁿", "1️⃣"]),
        ("cafe\u0301 Zu\u0308rich", ["cafe\u0301", "Zu\u0308rich"]),
        ("東京タワーへ", ["東", "京", "タワーへ"]),
        ("서울에서 만나", ["서울에서", "만나"]),
        ("नमस्ते दिल्ली", ["नमस्ते", "दिल्ली"]),
        ("สวัสดีกรุงเทพ", ["สวัสดีกรุงเทพ"]),
        ("مرحبا بكم", ["مرحبا", "بكم"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("#東京 @名前", ["#東京", "@名前"]),
        ("AC/DC", ["AC", "/", "DC"]),
        ("", []),
        (" \t\n\u3000\u00a0", []),
    ],
)
def test_words_are_those_a_reader_sees(text: str, words: list[str]) -> None:
    assert texts(text) == words


@given(st.text(st.characters(codec=None)))
@example("\ud800a\udfff")
@example("a\u200b\u200cb \x00\x1f\ufeff")
def test_a_word_is_its_slice_and_nothing_visible_is_left_out(text: str) -> None:
    words = cut(text)
    ends = [0, *(word.end for word in words)]
    assert all(word.text == text[word.start : word.end] for word in words)
    assert all(word.start < word.end for word in words)
    assert all(before <= word.start for before, word in zip(ends, words, strict=False))
    covered = {index for word in words for index in range(word.start, word.end)}
    left_out = {text[index] for index in range(len(text)) if index not in covered}
    assert all(character.isspace() or unicodedata.category(character) == "Cc" for character in left_out)


@given(st.text(), st.integers(8, 40))
def test_every_word_is_read_somewhere_inside_a_window(text: str, window: int) -> None:
    prepared = WordPieces(tiny_tokenizer(), window=window, overlap=window // 4).prepare(text)
    assert len(prepared.places) == len(prepared.words) == len(prepared.shapes) == len(prepared.characters)
    assert prepared.length == sum(map(len, prepared.windows))
    assert all(len(ids) <= window for ids in prepared.windows)
    for index, piece in prepared.places:
        assert 0 < piece < len(prepared.windows[index]) - 1


@given(st.lists(st.text(min_size=1, max_size=90), max_size=12))
@example(["Oslo", "oslo", "\ud800", "x" * 80, "Oslo"])
def test_a_word_that_was_seen_before_is_read_as_at_first(words: list[str]) -> None:
    seen = WordPieces(tiny_tokenizer(), window=24, overlap=8)
    seen.prepare_words([*reversed(words)])
    again = seen.prepare_words(words)
    for word, start in zip(words, again.places, strict=True):
        alone = WordPieces(tiny_tokenizer(), window=24, overlap=8).prepare_words([word])
        count = int(alone.piece_counts[0])
        window, first = start
        assert (again.windows[window][first : first + count] == alone.windows[0][1 : 1 + count]).all()
    index = np.arange(len(words))
    assert (again.piece_counts[index] == [len(seen._pieces(word)) for word in words]).all()
    assert again.shapes.tolist() == [shape(word) for word in words]
    assert [row.tobytes() for row in again.characters] == [characters(word) for word in words]


@given(st.lists(st.integers(1, 6), min_size=1), st.integers(6, 30))
def test_windows_cover_all_words_and_overlap(pieces: list[int], room: int) -> None:
    spans = window_spans(pieces, room=room, overlap=room // 3)
    assert spans[0][0] == 0
    assert spans[-1][1] == len(pieces)
    assert all(sum(pieces[a:b]) <= room for a, b in spans)
    assert all(a < following <= b < end for (a, b), (following, end) in pairwise(spans))


def test_a_word_in_two_windows_is_read_where_more_is_known_around_it(tokenizer: Tokenizer) -> None:
    prepared = WordPieces(tokenizer, window=12, overlap=4).prepare(" ".join("abcdefghijklmnop"))
    windows = prepared.places[:, 0]
    assert (np.diff(windows) >= 0).all()
    # Ten words fit; the second window begins four before the first one's end, and they share the four.
    assert windows.tolist()[:10] == [0] * 8 + [1] * 2


def test_a_word_without_pieces_is_unknown_to_the_encoder(tokenizer: Tokenizer) -> None:
    prepared = WordPieces(tokenizer, window=24, overlap=8).prepare("a \u200b b")
    assert [word.text for word in prepared.words] == ["a", "\u200b", "b"]
    assert prepared.windows[0][2] == tokenizer.token_to_id("[UNK]")


def test_special_tokens_in_a_text_are_only_text(tokenizer: Tokenizer) -> None:
    prepared = WordPieces(tokenizer, window=60, overlap=8).prepare("[SEP] https://x.org/[SEP]a [MASK]")
    inner = prepared.windows[0][1:-1]
    assert not {tokenizer.token_to_id("[SEP]"), tokenizer.token_to_id("[MASK]")} & set(inner.tolist())


def test_gold_words_keep_their_places_in_the_joined_text(tokenizer: Tokenizer) -> None:
    prepared = WordPieces(tokenizer, window=24, overlap=8).prepare_words(["New", "York", "!"])
    assert prepared.text == "New York !"
    assert [prepared.text[word.start : word.end] for word in prepared.words] == ["New", "York", "!"]


@pytest.mark.parametrize(
    "text", ["a" * 65_536, "#" * 65_536, "a@" * 32_768, "1." * 32_768, "https://x/" * 6_553]
)
def test_a_text_made_to_be_slow_is_cut_all_the_same(text: str) -> None:
    # No timed assertion: the run's own time limit stands behind this one.
    assert "".join(texts(text)) == text


def test_an_endless_word_costs_no_more_than_its_beginning(tokenizer: Tokenizer) -> None:
    prepared = WordPieces(tokenizer, window=64, overlap=8).prepare("https://x.org/" + "a/" * 20_000)
    assert len(prepared.words) == 1
    assert prepared.length <= 40
