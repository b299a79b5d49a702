"""Times in which a sensor's interfaces brought no packets, in words for an operator."""

from __future__ import annotations

from collections.abc import Iterable

from weir.packets.manifest import Gap, Manifest

REASONS = {"link_down": "its link was down", "removed": "it was removed", "silent": "it was up but silent"}


def gaps(manifests: Iterable[Manifest]) -> list[Gap]:
    """Each gap once, oldest first; with its end where one of the manifests knows it."""
    found: dict[tuple[str, str, str, int], Gap] = {}
    for manifest in manifests:
        for gap in manifest.gaps:
            key = (manifest.boot_id, gap.interface, gap.reason, gap.start_mono_us)
            if key not in found or found[key].end_mono_us is None:
                found[key] = gap
    return sorted(found.values(), key=lambda gap: gap.start_wall_us)


def told(manifests: Iterable[Manifest]) -> list[str]:
    """One sentence per interface and reason, such as "eth0 brought no packets for 125 s in 2 gaps: its link was down"."""
    kinds: dict[tuple[str, str], list[Gap]] = {}
    for gap in gaps(manifests):
        kinds.setdefault((gap.interface, gap.reason), []).append(gap)
    return [_sentence(interface, reason, some) for (interface, reason), some in sorted(kinds.items())]


def _sentence(interface: str, reason: str, some: list[Gap]) -> str:
    seconds = [gap.seconds for gap in some if gap.seconds is not None]
    parts = [f"for {sum(seconds):,.0f} s in {len(seconds)} gap{'' if len(seconds) == 1 else 's'}"] if seconds else []
    parts += ["when it was last heard of"] if len(seconds) < len(some) else []
    return f"{interface} brought no packets {' and '.join(parts)}: {REASONS[reason]}"
