import pytest

from model.surface import CHARACTER_CODES, WORD_CHARACTERS, Shape, characters, shape


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("@NASA", Shape.MENTION),
        ("#Artemis", Shape.HASHTAG),
        ("https://t.co/a", Shape.URL),
        ("2016", Shape.NUMBER),
        ("I", Shape.CAPITAL),
        ("NBA", Shape.CAPITALS),
        ("Lisbon", Shape.TITLE),
        ("tonight", Shape.LOWER),
        ("iPhone", Shape.CAMEL),
        ("F22", Shape.LETTERS_AND_DIGITS),
        ("東", Shape.CASELESS),
        ("!", Shape.MARK),
        ("\u200b", Shape.MARK),
    ],
)
def test_a_shape_is_what_the_eye_sees(word: str, expected: Shape) -> None:
    assert shape(word) is expected


def test_characters_of_every_script_have_a_code_and_short_words_are_padded() -> None:
    codes = [characters(word) for word in ("aé東", "x" * 40, "\ud800")]
    assert {len(each) for each in codes} == {WORD_CHARACTERS}
    assert all(codes[0][:3])
    assert not any(codes[0][3:])
    assert all(codes[1])
    assert all(code < CHARACTER_CODES for each in codes for code in each)
