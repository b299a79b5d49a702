"""A plug-in for CoAP (RFC 7252), which small devices speak over UDP; see docs/plugins.md."""

from __future__ import annotations

from weir.flows.plugins import Conversation
from weir.schema import Column

NAME = "coap"
PROTOCOL = 17  # UDP
PORTS = (5683,)
COLUMNS = (
    Column("coap_method", "string", "", "what the first request asks: GET, POST, PUT or DELETE"),
    Column("coap_path", "string", "", "path that the first request asks for"),
    Column("coap_answer", "string", "", "code of the first answer, such as 2.05"),
)

METHODS = {1: "GET", 2: "POST", 3: "PUT", 4: "DELETE"}
HEADER_BYTES = 4
URI_PATH = 11
PAYLOAD = 0xFF


def parse(flow: Conversation) -> dict[str, object]:
    """Method, path and answer of a request and its response; a message that is cut says less."""
    found: dict[str, object] = {}
    for message in (flow.fwd, flow.bwd):
        if len(message) < HEADER_BYTES or message[0] >> 6 != 1:
            continue
        code = message[1]
        if code in METHODS and "coap_method" not in found:
            found["coap_method"] = METHODS[code]
            found["coap_path"] = "/" + "/".join(path(message))
        elif code >> 5 >= 2 and "coap_answer" not in found:
            found["coap_answer"] = f"{code >> 5}.{code & 31:02}"
    return found


def path(message: bytes) -> list[str]:
    """The segments of the path: options of number 11, each numbered by its distance from the one before."""
    at, number, segments = HEADER_BYTES + (message[0] & 15), 0, []
    while at < len(message) and message[at] != PAYLOAD:
        step, size = message[at] >> 4, message[at] & 15
        at += 1
        step, at = extended(message, step, at)
        size, at = extended(message, size, at)
        number += step
        if number == URI_PATH:
            segments.append(message[at : at + size].decode("utf-8", "replace"))
        at += size
    return segments


def extended(message: bytes, nibble: int, at: int) -> tuple[int, int]:
    """A number of four bits, or of one or two bytes more; and where it ends."""
    more = {13: 1, 14: 2}.get(nibble, 0)
    base = {13: 13, 14: 269}.get(nibble, nibble)
    return base + int.from_bytes(message[at : at + more]) if more else base, at + more
