"""Packets: from the sensors' spool into the store, each segment under its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weir import ledger, settings
from weir.errors import CaptureError, StoreError
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
            # An earlier try of this task may have acknowledged it.
            if not spool.is_gone(path) and spool.set_aside(path, str(error)):
                refused.append(str(error))
            continue
        _keep(store, manifest, whole, manifest_bytes)
        spool.acknowledge(path, manifest.sha256)
        touched.add(manifest.unit)
        packets += manifest.packets
    return {"segments": len(manifests) - len(refused), "packets": packets, "refused": refused, "units": sorted(touched)}


def _keep(store: Store, manifest: Manifest, whole: bytes, manifest_bytes: bytes) -> None:
    store.put_new(manifest.key, whole)
    if hashlib.sha256(store.get(manifest.key)).hexdigest() != manifest.sha256:
        store.delete(manifest.key)
        raise StoreError(
            f"{store.url}/{manifest.key}: what was stored is not what was sent; the segment stays in the spool, run collect again"
        )
    store.put_new(manifest.manifest_key, manifest_bytes)
    for entry in _arrival(manifest):
        ledger.record(store, entry)


def _arrival(manifest: Manifest) -> list[Entry]:
    """What the sensor counted (L0, L1), what it sealed (L2) and what arrived (L3)."""
    said = manifest.counters
    unit = f"{manifest.unit}/{manifest.sha256}"
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
