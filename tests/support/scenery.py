"""A network with a life of its own: people of many scripts, and all that can stand between two of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import grpc

from tests.support.clients import STUBS, GrpcClient
from tests.support.page import Stage
from tests.support.paintings import landscape, portrait

LONG_NAME = "Maximilian-Alexander Featherstonehaugh-Wolfeschlegelsteinhausenbergerdorff"
PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj
trailer<</Root 1 0 R>>
%%EOF
"""


@dataclass(frozen=True, slots=True)
class Someone:
    """A person of the scenery.

    Attributes:
        name: theirs.
        headline: theirs.
        photo: which portrait they show; -1 for none.
        handle: theirs, where nobody else can have it.
    """

    name: str
    headline: str = ""
    photo: int = -1
    handle: str = ""


PEOPLE = {
    "me": Someone("Amélie Laurent", "Physiotherapist in Lyon", 7, "amelie"),
    "bruno": Someone("Bruno Ferreira", "General practitioner, weekend cyclist", 4, "bruno"),
    "chiara": Someone("Chiara Conti", "Midwife at the Hôpital Sainte-Anne", 1, "chiara"),
    "farah": Someone("فرح الأنصاري", "طبيبة أطفال في عيادة الحيّ", handle="farah"),
    "eleni": Someone("Ελένη Παπαδοπούλου", "Λογοθεραπεύτρια", 15, "eleni"),
    "nino": Someone("ნინო ბერიძე", "სეირნობა და ფოტოები", handle="nino"),
    "priya": Someone("प्रिया शर्मा", "Radiologist, learning to bake", handle="priya"),
    "gone": Someone(LONG_NAME, "Cardiologist, plays the viola badly " * 3, handle="maximilian"),
    "asks": Someone("David Okafor", "Pharmacist on the night shift", 14, "david_okafor"),
    "asks_too": Someone("🌸 Hana", "Nurse 🏥", handle="hana"),
    "asked": Someone("Emma Schmidt", "Speech therapist, new in town", 11, "emma_schmidt"),
    "ignored": Someone("Иван Петров", "Анестезиолог", handle="ivan"),
    "blocked": Someone("June Kim", handle="june"),
    "stranger": Someone("Noam Levi", "Dietitian, runs before sunrise", 12, "noam"),
}
"""Who there is, by the part they play."""

FRIENDS = ("bruno", "chiara", "farah", "eleni", "nino", "priya", "gone")
_AT_ONCE = 64
_WORDS = (
    "The plan for the ward is nearly done, but the corridor is still too narrow for two beds side by "
    "side. Could we measure it again on Thursday, before the others come? I have asked for a longer "
    "tape. If it rains we can start inside, with the stairs."
)
NOTE = "Hello Amélie, we met at the conference in Lyon last spring. Shall we stay in touch?"
ME, THEM = True, False
TALKS = {
    "nino": [(THEM, "ამ კვირის ფოტოები")],
    "eleni": [
        (ME, "Καλημέρα! Πότε συναντιόμαστε αύριο;"),
        (THEM, "Στις δέκα, στον τρίτο όροφο."),
    ],
    "gone": [(THEM, "It was a pleasure to work with you."), (ME, "Likewise. All the best!")],
    "farah": [
        (THEM, "مرحبا أميلي، هل وصلتك الرسالة؟ أنا في العيادة حتى الخامسة."),
        (ME, "Yes, got it — شكرا!"),
        (THEM, "ممتاز 😊 نلتقي في الساعة 17:30 عند باب ward 7؟"),
        (ME, "À 17 h 30, parfait."),
    ],
    "bruno": [
        (THEM, "Morning! Did you see the new plan for ward 7? https://example.org/plans/7"),
        (ME, "Just opened it. The corridor makes so much more sense now."),
        (ME, "Wrong window, sorry"),
        (ME, "But where did they put the equipment rom?"),
        (
            THEM,
            "> But where did they put the equipment room?\n"
            "Behind the stairs, apparently. That's the latest drawing.",
        ),
        (ME, "I'll measure it on Thursday, if you bring the folding rule."),
        (THEM, "Look what I found above the village. Some climbs are worth it."),
        (ME, "😍🚵"),
        (ME, "Saturday? I'll bring coffee ☕"),
    ],
    "chiara": [
        (THEM, "Les résultats sont arrivés, tout va bien."),
        (THEM, "On fête ça samedi ?"),
    ],
}
"""What was said to whom, in the order of the conversations: whether by oneself, and the words."""


async def furnish(stage: Stage, *, lavish: bool) -> dict[str, str]:
    """Enter everyone into the network of a stage, and let them do what they do there.

    Arguments:
        stage: where they meet.
        lavish: whether people show photos and pictures are large, which takes a while.

    Returns:
        the ids of the people, by the part they play.
    """
    ids = {part: await _enter(stage, someone, lavish) for part, someone in PEOPLE.items()}
    me = ids["me"]
    for part in FRIENDS:
        await stage.make_friends(ids[part], me)
    for part, talk in TALKS.items():
        for is_mine, text in talk:
            one, other = (me, ids[part]) if is_mine else (ids[part], me)
            await stage.say(one, other, text, *await _files(stage, one, text, lavish))
    await _afterthoughts(stage, me, ids["bruno"])
    for part in ("farah", "eleni", "nino", "gone"):
        await stage.read(me, ids[part])
    await stage.client(ids["gone"]).call("RemoveFriend", personId=me)
    await stage.client(me).call("BlockPerson", personId=ids["blocked"])
    await stage.ask(ids["asks_too"], me)
    await stage.ask(ids["asks"], me, NOTE)
    await stage.ask(me, ids["asked"], "Welcome to town! Coffee some time?")
    ignored = await stage.ask(ids["ignored"], me, "Здравствуйте!")
    await stage.client(me).call("IgnoreFriendRequest", requestId=ignored)
    return ids


async def _enter(stage: Stage, someone: Someone, lavish: bool) -> str:
    headline = someone.headline[:120].strip()
    if not lavish:
        return await stage.newcomer(someone.name, headline=headline)
    handle = someone.handle
    await stage.newcomer(someone.name, handle, handle=handle, headline=headline)
    if someone.photo >= 0:
        await stage.set_photo(handle, portrait(someone.photo))
    return handle


async def _files(stage: Stage, sender: str, text: str, lavish: bool) -> list[str]:
    """Upload what goes with a text."""
    size = (1600, 800) if lavish else (160, 80)
    files = {
        "> But": [("Ward 7, level 2.pdf", PDF)],
        "Look w": [("Above the village.jpg", landscape(0, *size))],
        "ამ კვ": [(f"{number}.jpg", landscape(number, *size)) for number in (1, 2, 3)],
    }
    return [
        await stage.upload(sender, name, content)
        for beginning, contents in files.items()
        if text.startswith(beginning)
        for name, content in contents
    ]


async def _afterthoughts(stage: Stage, me: str, friend: str) -> None:
    """Mend a word, take a message back, and let the friend read to the end."""
    channel_id = await stage.channel(me, friend)
    mended = "But where did they put the equipment room?"
    await stage.client(me).call("DeleteMessage", channelId=channel_id, seq=3)
    await stage.client(me).call("EditMessage", channelId=channel_id, seq=4, text=mended)
    await stage.read(me, friend)
    await stage.read(friend, me)


async def talk_at_length(stage: Stage, target: str, one: str, other: str, count: int) -> None:
    """Let two friends exchange many messages, over gRPC and many at once, as this is the fastest.

    Arguments:
        stage: where they meet.
        target: where the system serves gRPC.
        one: the id of one of them.
        other: that of the other.
        count: how many messages, of many lengths.
    """
    channel_id = await stage.channel(one, other)
    numbers = iter(range(count))
    words = _WORDS.split()

    async with grpc.aio.insecure_channel(target) as channel:
        clients = [GrpcClient(channel, STUBS, stage.token(person)) for person in (one, other)]

        async def send() -> None:
            for number in numbers:
                text = f"{number + 1}. {' '.join(words[: 3 + number * 17 % len(words)])}"
                await clients[number % 7 % 2].call("SendMessage", channelId=channel_id, text=text)

        await asyncio.gather(*(send() for _ in range(_AT_ONCE)))
