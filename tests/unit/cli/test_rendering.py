"""What is shown is readable, and nobody's text can pose as something else."""

from __future__ import annotations

from datetime import UTC, date, datetime

from cli.output import console
from cli.rendering import Transcript, history, people_table
from paperplane.friendship.v1 import friendship_pb2 as friendship
from paperplane.messaging.v1 import messaging_pb2 as messaging

BOB = friendship.Person(person_id="bob", handle="bob", display_name="Bob")


def said(seq: int, text: str, day: int = 3, sender_id: str = "bob") -> messaging.Message:
    message = messaging.Message(seq=seq, sender_id=sender_id, text=text)
    message.create_time.FromDatetime(datetime(2025, 3, day, 12, tzinfo=UTC))
    return message


def lines(*messages: messaging.Message, today: date) -> list[str]:
    terminal = console()
    with terminal.capture() as captured:
        terminal.print(history(messages, BOB, today))
    return captured.get().splitlines()


def test_each_day_is_named_once() -> None:
    shown = lines(
        said(1, "a", day=1), said(2, "b", day=2), said(3, "c"), said(4, "d"), today=date(2025, 3, 3)
    )
    assert [line for line in shown if line.startswith("──")] == [
        "── Saturday 1 March 2025 ──",
        "── Yesterday ──",
        "── Today ──",
    ]


def test_a_second_line_can_not_pose_as_another_message() -> None:
    shown = lines(said(1, "hi\n12:00 #2 you I owe you"), today=date(2025, 3, 3))
    assert shown[2].startswith("        12:00 #2")


def test_markup_is_shown_as_it_was_written() -> None:
    [_, line] = lines(said(1, "[red]a[/red] [link=x]y[/link] :boom:"), today=date(2025, 3, 3))
    assert line.endswith("@bob [red]a[/red] [link=x]y[/link] :boom:")


def test_a_deleted_message_leaves_its_place() -> None:
    gone = said(1, "")
    gone.delete_time.GetCurrentTime()
    [line] = Transcript(BOB).message(gone, date(2025, 3, 3))[1:]
    assert line.plain.endswith("#1 @bob (deleted)")


def test_who_can_be_messaged_bears_a_paper_plane() -> None:
    friend = friendship.Person(handle="eve\x1b[2J", display_name="Eve\nMallory", can_message=True)
    terminal = console()
    with terminal.capture() as captured:
        terminal.print(people_table([friend], "nobody"))
    assert captured.get().split() == ["✈", "@eve", "Eve", "Mallory"]
