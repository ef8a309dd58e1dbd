from io import StringIO

from rich.console import Console

from schemas import DeadLetter, DeadLetterReason, Stage
from workers.dead_letters.letter import Letter, Place, moment
from workers.dead_letters.render import print_letters

CAUSE = DeadLetter(
    reason=DeadLetterReason.MODEL_FAILED,
    stage=Stage.ENGINE,
    message="[red]no[/red]\x1b[2J\tmarkup",
    topic="posts.raw",
    partition=3,
    offset=977,
)


def test_a_terminal_gets_a_table() -> None:
    letter = Letter(Place(3, 41), 1_769_860_800_000, b"k", b"{", (), CAUSE, None)
    file = StringIO()
    console = Console(file=file, width=160, force_terminal=True, color_system=None)
    print_letters(console, [(letter, {"posts.raw": 1_769_864_400_000})])
    headings, row = file.getvalue().splitlines()
    assert headings.split() == ["letter", "written", "reason", "stage", "source", "replayed", "message"]
    assert row.split(maxsplit=9) == [
        *("3:41", "2026-01-31", "12:00:00Z", "model_failed", "engine", "posts.raw", "3:977"),
        *("2026-01-31", "13:00:00Z", "[red]no[/red]\N{REPLACEMENT CHARACTER}[2J markup"),
    ]


def test_a_time_that_no_calendar_holds_is_brought_to_its_ends() -> None:
    assert moment(-1).year == 1970
    assert moment(2**62).year == 9999
