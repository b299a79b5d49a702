"""The Community ID of a packet, version 1 with seed 0, as the native core computes it for flows.

https://github.com/corelight/community-id-spec
"""

from __future__ import annotations

import base64
import hashlib
import struct

from weir.errors import SettingsError
from weir.packets.headers import ICMP, ICMP6, WITH_PORTS, Header

_DIGEST_BYTES = 20
_SEED = b"\0\0"
_ANSWERS = {
    ICMP: {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 10: 9, 9: 10, 17: 18, 18: 17},
    ICMP6: {
        128: 129, 129: 128, 133: 134, 134: 133, 135: 136, 136: 135,
        130: 131, 131: 130, 139: 140, 140: 139, 144: 145, 145: 144,
    },
}  # fmt: skip
"""The type that answers an ICMP type; messages of other types go one way."""


def community_id(header: Header) -> str | None:
    """The ID of the conversation that a header belongs to.

    None where it cannot be told: ARP, and packets without the ports that their protocol has, such
    as all fragments but the first.
    """
    sides = [(header.source, header.source_port), (header.destination, header.destination_port)]
    if not header.protocol >= 0:
        return None
    goes_one_way = False
    if header.protocol in _ANSWERS:
        if header.message is None:
            return None
        kind, code = header.message
        answer = _ANSWERS[header.protocol].get(kind)
        goes_one_way = answer is None
        sides = [(header.source, kind), (header.destination, code if answer is None else answer)]
    elif header.protocol in WITH_PORTS and header.source_port is None:
        return None
    if not goes_one_way:
        sides.sort(key=lambda side: (side[0], side[1] or 0))
    ports = b"".join(struct.pack(">H", port) for _, port in sides if port is not None)
    message = _SEED + sides[0][0] + sides[1][0] + bytes([header.protocol, 0]) + ports
    return "1:" + base64.b64encode(hashlib.sha1(message, usedforsecurity=False).digest()).decode()


def checked(text: str) -> str:
    """``text`` where it is a Community ID of version 1; else SettingsError."""
    version, _, digest = text.partition(":")
    try:
        is_one = version == "1" and len(base64.b64decode(digest, validate=True)) == _DIGEST_BYTES
    except ValueError:
        is_one = False
    if not is_one:
        raise SettingsError(f"{text!r}: not a Community ID; write it as 1:hO+sN4H+MG5MY/8hIrXPqc4ZQz4=")
    return text
