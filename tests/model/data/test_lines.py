from pathlib import Path

from model.data.lines import numbered_lines


def test_only_a_line_feed_ends_a_line_and_a_carriage_return_before_it_goes_with_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("\ufeffa\rb\u2028c\r\n\nd".encode())
    assert list(numbered_lines(tmp_path / "file")) == [(1, "a\rb\u2028c"), (2, ""), (3, "d")]
