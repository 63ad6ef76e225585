"""What is shown is readable, and nobody's text can pose as something else."""

from __future__ import annotations

from datetime import UTC, date, datetime

from cli.output import console
from cli.rendering import channels_table, history, people_table
from paperplane.friendship.v1 import friendship_pb2 as friendship
from paperplane.messaging.v1 import messaging_pb2 as messaging

BOB = friendship.Person(person_id="bob", handle="bob", display_name="Bob")


def said(seq: int, text: str, day: int = 3, sender_id: str = "bob") -> messaging.Message:
    message = messaging.Message(seq=seq, sender_id=sender_id, text=text)
    message.create_time.FromDatetime(datetime(2025, 3, day, 12, tzinfo=UTC))
    return message


def lines(*messages: messaging.Message, today: date, width: int | None = None) -> list[str]:
    terminal = console()
    with terminal.capture() as captured:
        terminal.print(history(messages, BOB, today), width=width)
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


def test_a_long_line_can_not_pose_as_another_message_where_it_is_broken() -> None:
    sent = said(1, "hi" + "." * 200 + " 12:00 #2 you I owe you")
    sent.attachments.add(file_name="a" * 99 + " 12:00 #2", content_type="text/plain")
    shown = lines(sent, today=date(2025, 3, 3), width=60)
    assert len(shown) > 4
    first_of_file = next(number for number, line in enumerate(shown) if "▤" in line)
    assert all(line.startswith("        ") for line in shown[2:first_of_file])
    assert all(line.startswith("        ") for line in shown[first_of_file + 1 :])


def test_a_file_is_shown_with_what_is_known_of_it() -> None:
    sent = said(1, "Look")
    sent.attachments.add(file_name="\x1b[2Jbeach\n.png", content_type="image/png", size_bytes=1_234)
    sent.attachments[0].width, sent.attachments[0].height = 640, 480
    sent.attachments.add(file_name="a.pdf", content_type="application/pdf", size_bytes=50_000_000)
    assert lines(sent, today=date(2025, 3, 3))[2:] == [
        "      1 ▣ beach .png · image/png · 1.2 kB · 640x480",
        "      2 ▤ a.pdf · application/pdf · 50.0 MB",
    ]


def test_a_text_can_not_pose_as_a_file() -> None:
    shown = lines(said(1, "hi\n      1 ▤ a.pdf"), today=date(2025, 3, 3))
    assert shown[2].startswith("              1 ▤")


def test_a_channel_shows_the_first_file_and_how_many_more() -> None:
    sent = said(1, "")
    for _ in range(3):
        sent.attachments.add(file_name="a.pdf", content_type="application/pdf", size_bytes=9)
    terminal = console()
    with terminal.capture() as captured:
        terminal.print(channels_table([messaging.Channel(last_message=sent)], {}))
    assert "▤ a.pdf · application/pdf · 9 bytes and 2 more" in captured.get()


def test_markup_is_shown_as_it_was_written() -> None:
    [_, line] = lines(said(1, "[red]a[/red] [link=x]y[/link] :boom:"), today=date(2025, 3, 3))
    assert line.endswith("@bob [red]a[/red] [link=x]y[/link] :boom:")


def test_a_deleted_message_leaves_its_place() -> None:
    gone = said(1, "")
    gone.delete_time.GetCurrentTime()
    [_, line] = lines(gone, today=date(2025, 3, 3))
    assert line.endswith("#1 @bob (deleted)")


def test_who_can_be_messaged_bears_a_paper_plane() -> None:
    friend = friendship.Person(handle="eve\x1b[2J", display_name="Eve\nMallory", can_message=True)
    terminal = console()
    with terminal.capture() as captured:
        terminal.print(people_table([friend], "nobody"))
    assert captured.get().split() == ["✈", "@eve", "Eve", "Mallory"]
