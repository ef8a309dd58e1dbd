import pytest

from model.surface import CHARACTER_CODES, WORD_CHARACTERS, Shape, characters, shape, shapes


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
    words = ["aé東", "x" * 40, "\ud800"]
    codes = characters(words)
    assert codes.shape == (3, WORD_CHARACTERS)
    assert (codes[0, :3] > 0).all()
    assert (codes[0, 3:] == 0).all()
    assert (codes[1] > 0).all()
    assert codes.max() < CHARACTER_CODES
    assert shapes(words).shape == (3,)
    assert characters([]).shape == (0, WORD_CHARACTERS)
