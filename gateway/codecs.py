"""How bodies of HTTP callers become the bytes that services take, and the other way round."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf import json_format

from chassis.refusals import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message


@dataclass(frozen=True, slots=True)
class Response:
    """A response as the service serialized it, and the message that it is."""

    data: bytes
    kind: type[Message]


class BinaryCodec:
    """Protocol Buffers: nothing to do."""

    def name(self) -> str:
        """Return the codec's part of the content type."""
        return "proto"

    def encode(self, message: Response) -> bytes:
        """Return the response's bytes."""
        return message.data

    def decode(self, data: bytes | bytearray, message_class: type[Message]) -> bytes:
        """Return the request's bytes."""
        return bytes(data)


class JsonCodec:
    """The JSON form of Protocol Buffers.

    Arguments:
        refuse: turns a refusal into what is raised instead.
    """

    def __init__(self, refuse: Callable[[InvalidRequest], Exception]) -> None:
        self._refuse = refuse

    def name(self) -> str:
        """Return the codec's part of the content type."""
        return "json"

    def encode(self, message: Response) -> bytes:
        """Render a response."""
        return render_json(message.data, message.kind)

    def decode(self, data: bytes | bytearray, message_class: type[Message]) -> bytes:
        """Parse a request.

        Raises:
            Exception: what `refuse` made of an `InvalidRequest`.
        """
        try:
            return parse_json(bytes(data), message_class)
        except InvalidRequest as refusal:
            raise self._refuse(refusal) from None


def parse_json(data: bytes, kind: type[Message]) -> bytes:
    """Serialize the message that a JSON text stands for. An empty body is an empty message.

    Raises:
        InvalidRequest: it is not JSON, or not this message. Says so without a word of the request.
    """
    message = kind()
    try:
        if data.strip():
            json_format.Parse(data.decode("utf-8"), message, max_recursion_depth=32)
        return message.SerializeToString()
    except UnicodeDecodeError:
        description = "the body is not UTF-8"
    except Exception:  # noqa: BLE001 - whatever a text does to the parser, and its words quote the text
        names = ", ".join(field.json_name for field in kind.DESCRIPTOR.fields)
        description = (
            f"the body is not the JSON form of {kind.DESCRIPTOR.full_name}, whose fields are: "
            f"{names or 'none'}"
        )
    raise InvalidRequest.field("", description)


def render_json(data: bytes, kind: type[Message]) -> bytes:
    """Return the JSON form of a serialized message, compact and with every script as it is."""
    value = json_format.MessageToDict(kind.FromString(data))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
