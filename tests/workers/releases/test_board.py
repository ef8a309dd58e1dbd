from tests.schemas.test_release import release
from workers.releases.board import Board


def test_the_newest_of_each_key_holds_and_strangers_records_change_nothing() -> None:
    board = Board()
    records = [
        release(),
        release(channel="candidate", version="1.1.0"),
        release(version="1.1.0", mark="refused", reason="slow"),
        release(version="1.2.0"),
    ]
    for each in records:
        board.take(each.key.encode(), each.model_dump_json().encode())
    for key, value in (
        (b"stable", b"{"),
        (b"stable", b"\xff"),
        (None, b"{}"),
        (b"\xff", None),
        # Under another key than its own.
        (b"stable", records[1].model_dump_json().encode()),
    ):
        board.take(key, value)
    assert board.channels == {"stable": records[3], "candidate": records[1]}
    assert board.mark("small/1.1.0") == records[2]
    assert board.mark("small/1.2.0") is None
    # kafka-python can't send a null value as such everywhere: an empty one is as good.
    board.take(b"small/1.1.0", b"")
    board.take(b"candidate", None)
    assert board.mark("small/1.1.0") is None
    assert list(board.channels) == ["stable"]
