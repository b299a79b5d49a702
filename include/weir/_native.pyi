"""Types of the C++ flow core; its source is ``capture_cpp/python/module.cc``."""

from collections.abc import Callable
from typing import Any, final

@final
class FlowBatch:
    """Finished flows as columns, handed to Arrow without a copy.

    The struct array has exactly the columns of ``schema.FLOWS``, in that order, none of them null.
    It stays valid for as long as somebody holds it.
    """

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[Any, Any]: ...
    def __arrow_c_schema__(self) -> Any: ...
    def __len__(self) -> int:
        """How many flows."""

    @property
    def payloads(self) -> list[tuple[int, bytes, bytes]]:
        """Row, first payload bytes forward and backward, of the flows that ``payloads_of`` named."""

    @property
    def counts(self) -> dict[str, int]:
        """Packets by outcome, of all read so far, and oddities under names that begin with ``odd_``."""

def build_flows(
    captures: list[str],
    *,
    idle_timeout_us: int,
    active_timeout_us: int,
    memory_bytes: int,
    parse_applications: bool = True,
    payloads_of: list[tuple[int, int]] = [],
) -> FlowBatch:
    """Read the captures as one stream of packets and return all of its flows.

    Of flows whose IP protocol and either port ``payloads_of`` names, the first payload bytes are kept beside the rows.

    Raises
    ------
    weir.errors.CaptureError
        a capture cannot be opened, is none, or is broken; names file, byte offset and what to do
    ValueError
        a timeout is not within 1 us and an hour, or the memory is less than 1 MB
    MemoryError
        there is not as much memory
    """

def stream_flows(
    captures: list[str],
    take: Callable[[FlowBatch], object],
    *,
    idle_timeout_us: int,
    active_timeout_us: int,
    memory_bytes: int,
    parse_applications: bool = True,
    payloads_of: list[tuple[int, int]] = [],
) -> dict[str, int]:
    """Like ``build_flows``, but gives the flows to ``take`` as they end, some thousands at once; returns the final counts.

    A batch that nobody holds any more lends its memory to a later one, so memory does not grow with the number of flows.
    What ``take`` raises ends the reading.

    Raises
    ------
    weir.errors.CaptureError
        a capture cannot be opened, is none, or is broken; names file, byte offset and what to do
    ValueError
        a timeout is not within 1 us and an hour, or the memory is less than 1 MB
    MemoryError
        there is not as much memory
    """

def schema() -> list[tuple[str, str]]:
    """Name and Arrow format of each column, in order."""

def headers(link_type: int, packet: bytes, wire_bytes: int) -> tuple[list[tuple[int, int, int, bool]], int | None]:
    """The IP headers of a packet from the outside in, as the core goes through them, and where ARP begins.

    Of each: where it begins, where what it carries begins, the protocol of that, and whether it is
    whole or a first fragment, so that a transport header may be there.
    """
