"""Types of the C++ flow core; its source is ``capture_cpp/python/module.cc``."""

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
    def counts(self) -> dict[str, int]:
        """Packets by outcome, and oddities under names that begin with ``odd_``."""

def build_flows(captures: list[str], *, idle_timeout_us: int, active_timeout_us: int, memory_bytes: int) -> FlowBatch:
    """Read the captures as one stream of packets and return all of its flows.

    Raises
    ------
    weir.errors.CaptureError
        a capture cannot be opened, is none, or is broken; names file, byte offset and what to do
    ValueError
        a timeout or the memory is out of range
    """

def schema() -> list[tuple[str, str]]:
    """Name and Arrow format of each column, in order."""
