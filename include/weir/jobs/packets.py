"""Packets: from the sensors' spool into the store, each segment under its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weir import ledger, settings
from weir.errors import CaptureError, ConflictError, StoreError
from weir.jobs.keys import Counts, site_store
from weir.ledger import Entry
from weir.store import Store

if TYPE_CHECKING:
    from weir.packets.manifest import Manifest


def waiting() -> list[str]:
    """Manifests of the sealed segments in the spool, in the order they were sealed."""
    from weir.packets import spool

    folder = settings.load().site.spool
    return [str(path) for path in spool.sealed(folder)] if folder.exists() else []


def collect(manifests: Sequence[str]) -> Counts:
    """Bring sealed segments from the spool into the store.

    A segment leaves the spool only after its bytes were read back from the store and hashed. One
    that cannot be believed is set aside in the spool with the reason; the others go on. So they do
    where the sensor, in want of room, drops one meanwhile: its next manifest has the counts.
    """
    from weir.packets import spool

    store = site_store()
    touched: set[str] = set()
    refused: list[str] = []
    packets = 0
    for path in map(Path, manifests):
        try:
            manifest, whole = spool.read(path)
            manifest_bytes = path.read_bytes()
        except (CaptureError, FileNotFoundError) as error:
            refused += _set_aside(path, error)
            continue
        try:
            _keep(store, manifest, whole, manifest_bytes)
        except CaptureError as error:
            refused += _set_aside(path, error)
            continue
        spool.acknowledge(path, manifest.sha256)
        touched.add(manifest.unit)
        packets += manifest.packets
    return {"segments": len(manifests) - len(refused), "packets": packets, "refused": refused, "units": sorted(touched)}


def _set_aside(path: Path, error: Exception) -> list[str]:
    """The reason, or nothing where the segment is gone: an earlier try of the task may have acknowledged it."""
    from weir.packets import spool

    return [str(error)] if not spool.is_gone(path) and spool.set_aside(path, str(error)) else []


def _keep(store: Store, manifest: Manifest, whole: bytes, manifest_bytes: bytes) -> None:
    """Store a segment, its manifest, and what they say to the ledger.

    CaptureError where its packets are stored already, under another manifest: with both, they would be counted twice.
    """
    _keep_bytes(store, manifest, manifest.key, whole)
    name = manifest.sha256
    try:
        store.put_new(manifest.manifest_key, manifest_bytes)
    except ConflictError as error:
        if manifest.packets:
            words = "these packets are stored already, under another manifest; was a capture imported twice? It was set aside"
            raise CaptureError(f"{manifest.file}: {words} ({error})") from error
        name = _keep_beside(store, manifest, whole, manifest_bytes)
    for entry in _arrival(manifest, name):
        ledger.record(store, entry)


def _keep_beside(store: Store, manifest: Manifest, whole: bytes, manifest_bytes: bytes) -> str:
    """Store a segment without packets whose digest another one has, as older sensors made them; returns its name.

    Its counts are its own, so they must not be lost with it.
    """
    name = manifest.numbered_name
    key, manifest_key = manifest.keys(name)
    _keep_bytes(store, manifest, key, whole)
    store.put_new(manifest_key, manifest_bytes)
    return name


def _keep_bytes(store: Store, manifest: Manifest, key: str, whole: bytes) -> None:
    store.put_new(key, whole)
    if hashlib.sha256(store.get(key)).hexdigest() != manifest.sha256:
        store.delete(key)
        raise StoreError(
            f"{store.url}/{key}: what was stored is not what was sent; the segment stays in the spool, run collect again"
        )


def _arrival(manifest: Manifest, name: str) -> list[Entry]:
    """What the sensor counted (L0, L1), what it sealed (L2) and what arrived (L3); ``name`` is the segment's in the store."""
    said = manifest.counters
    unit = f"{manifest.unit}/{name}"
    kernel = {"dropped by the kernel": said["kernel_dropped"], "left unread": said["unread"]}
    disk = {"lost to the disk": said["drop_disk"], "lost to a full spool": said["drop_spool"]}
    who = manifest.sensor_id
    return [
        Entry("L0", unit, "packets", said["received"], said["read"], dropped=kernel, sensor_id=who),
        Entry(
            "L1",
            unit,
            "packets",
            said["read"],
            said["written"],
            {"filtered": said["filtered"]},
            disk,
            sources=(f"L0/{unit}",),
            sensor_id=who,
        ),
        Entry("L2", unit, "packets", said["written"], manifest.packets, sources=(f"L1/{unit}",), sensor_id=who),
        Entry("L3", unit, "packets", manifest.packets, manifest.packets, sources=(f"L2/{unit}",), sensor_id=who),
    ]


def segments(store: Store, unit: str | None = None) -> list[Manifest]:
    """The manifests of a unit's segments, or of all, in the order their packets were captured.

    That is the order of a sensor's start, by the first packet of each start: a late packet makes a
    segment begin before the one sealed earlier, and must not move it.
    """
    from weir.packets.manifest import MANIFEST_SUFFIX, Manifest

    prefix = f"1_packets/{unit}/" if unit else "1_packets/"
    found = [Manifest.read(store.get(key)) for key in store.keys(prefix) if key.endswith(MANIFEST_SUFFIX)]
    first: dict[tuple[str, str], int] = {}
    for manifest in found:
        if manifest.first_us is not None:
            start = (manifest.sensor_id, manifest.boot_id)
            first[start] = min(manifest.first_us, first.get(start, manifest.first_us))
    return sorted(found, key=lambda m: (first.get((m.sensor_id, m.boot_id), 0), m.boot_id, m.seq))


def chain(stored: Sequence[Manifest] | None = None) -> list[str]:
    """What the sensors' chains say is missing, one sentence each; ``stored`` are all manifests of the store."""
    from weir.packets.chain import missing
    from weir.packets.manifest import Manifest

    stored = segments(site_store()) if stored is None else stored
    spooled = [Manifest.read(Path(name)) for name in waiting()]
    words = {"missing": "never arrived", "broken": "names another predecessor", "twice": "exists twice"}
    return [
        f"{gap.count} segments of sensor {gap.sensor_id}, from number {gap.seq} of start {gap.boot_id} on: {words[gap.kind]}"
        for gap in missing([*stored, *spooled])
    ]
