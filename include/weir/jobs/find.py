"""Finding packets again: from a question, or an alert, to a capture file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from weir import schema
from weir.errors import CaptureError, SettingsError, StoreError
from weir.jobs.keys import Counts, flows_key, get_json, site_store, units
from weir.store import Store, file_to_write, get_table, whole_file

if TYPE_CHECKING:
    from weir.packets.find import Cost, Opened, Segment
    from weir.packets.query import Query

MOST_HOURS = 48
"""Hours of one sensor that are listed one by one; of more, the whole sensor is listed."""


PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "icmp6": 58, "sctp": 132}
MOST_PROTOCOL = 255
MOST_PORT = 65_535


def packet_query(
    *,
    hosts: Sequence[str] = (),
    ports: Sequence[int] = (),
    protocol: str | None = None,
    flow: tuple[str, str, int, str, int] | None = None,
    is_one_way: bool = False,
    community_id: str | None = None,
    start: str | None = None,
    end: str | None = None,
) -> Query:
    """A question as people write it; SettingsError says which part is not understood.

    ``flow`` is protocol, address, port, address, port. Times are ISO 8601, UTC where no zone is given.
    """
    from weir.packets.community_id import checked
    from weir.packets.query import Query

    if flow and protocol is not None and protocol != flow[0]:
        raise SettingsError(f"--protocol {protocol} contradicts --flow, which says {flow[0]}; leave one of them out")
    if is_one_way and not flow:
        raise SettingsError("--one-way says which way of --flow; give --flow as well")
    for option, given in (("--host", hosts), ("--port", ports)):
        if len(given) > 2:
            raise SettingsError(f"{option} is given {len(given)} times; a packet has two sides, so two at most can hold together")
    _check_ports("--port", ports)
    _check_ports("--flow", (flow[2], flow[4]) if flow else ())
    chosen = flow[0] if flow else protocol
    number = None if chosen is None else _protocol(chosen)
    query = Query(
        hosts=tuple(hosts),
        ports=tuple(ports),
        ends=_ends(flow, number) if flow else (),
        protocol=number,
        community_id=None if community_id is None else checked(community_id),
        start_us=None if start is None else _time(start, "--start"),
        end_us=None if end is None else _time(end, "--end"),
        is_one_way=is_one_way,
    )
    if query.start_us is not None and query.end_us is not None and query.end_us < query.start_us:
        raise SettingsError(f"--end {end} lies before --start {start}; exchange them")
    if len({len(address) for address in query.addresses}) > 1:  # they are parsed here, before anything is read
        named = " and ".join((*query.hosts, *(host for host, _ in query.ends)))
        raise SettingsError(f"{named}: one header has IPv4 or IPv6 addresses, never both; give addresses of one kind")
    return query


def _ends(flow: tuple[str, str, int, str, int], protocol: int | None) -> tuple[tuple[str, int | None], ...]:
    """The two sides of a flow; those of a protocol without ports are written with 0, as in its row."""
    from weir.packets.headers import WITH_PORTS

    name, *_ = flow
    ports: tuple[int | None, ...] = (flow[2], flow[4])
    if protocol not in WITH_PORTS:
        if any(ports):
            raise SettingsError(f"--flow {name}: it has no ports, unlike tcp, udp and sctp; give 0 for both, as in its row")
        ports = (None, None)
    return ((flow[1], ports[0]), (flow[3], ports[1]))


def _check_ports(option: str, ports: Sequence[int]) -> None:
    for port in ports:
        if not 0 <= port <= MOST_PORT:
            raise SettingsError(f"{option} {port}: not a port; give a number from 0 to {MOST_PORT}")


def _protocol(text: str) -> int:
    from weir.packets.headers import ARP

    if text.isdecimal() and int(text) <= MOST_PROTOCOL:
        return int(text)
    known = {**PROTOCOLS, "arp": ARP}
    if text.lower() not in known:
        raise SettingsError(f"{text!r}: not a protocol; give one of {', '.join(known)}, or a number up to {MOST_PROTOCOL}")
    return known[text.lower()]


def _time(text: str, option: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{option} {text!r}: not a time; write it as 2026-01-31T09:15:00.25") from None
    since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1)


def find_packets(
    query: Query,
    out: Path | BinaryIO,
    *,
    alert_id: str = "",
    places: Sequence[Path] = (),
    sensor: str = "",
    link_type: int | None = None,
    limit: int | None = None,
    verify: bool = False,
) -> Counts:
    """Write the packets that a query wants, by time, as one pcap; of an alert, those of its flows.

    They come from the store, or from folders and segments of this machine. What could not be read
    is named under ``damaged``; everything else was delivered nevertheless.
    """
    from weir.packets.find import Cost, open_segments

    target = _target(out, places) if isinstance(out, Path) else out
    cost, told = Cost(), Counts()
    store = None if places and not alert_id else site_store()
    queries, sensor = _of_alert(store, alert_id, query, told, sensor) if store and alert_id else ((query,), sensor)
    if store and not places and query.community_id:
        queries = _with_addresses(store, queries, sensor, told)
    found = _in_folders(places, sensor, cost) if places else list(_in_store(site_store(), queries, sensor, cost, told, verify))
    if verify:
        found = [replace(one, whole_because=one.whole_because or "its digest was to be verified") for one in found]
    opened = open_segments(found, queries, cost)
    if link_type is not None and not cost.damaged:  # what cannot be read may be of any
        _demand_link_type(link_type, found, opened)
    opened = _of_one_link_type(opened, link_type)
    _write(target, _pieces(opened, queries, cost, limit))
    return {
        **told,
        **asdict(cost),
        "out": str(out) if isinstance(out, Path) else "-",
        **({"limit": limit} if limit is not None else {}),
    }


def _target(out: Path, places: Sequence[Path]) -> Path:
    """The file to write; SettingsError where it cannot be one, or is one that is read."""
    target = file_to_write(out, "packets", "name another file with --out, or - for standard output")
    if not target.parent.is_dir():
        raise SettingsError(f"packets: {target.parent} is no folder; make it first, or name another file with --out")
    for place in places:
        is_in_spool = place.is_dir() and target.is_relative_to(place.resolve()) and target.name.endswith((".zst", ".json"))
        if target == place.resolve() or is_in_spool:
            raise SettingsError(
                f"packets: {out} is, or would lie among, the segments that are read; name another file with --out"
            )
    return target


def _of_alert(store: Store, alert_id: str, query: Query, told: Counts, sensor: str) -> tuple[tuple[Query, ...], str]:
    """The flows of an alert's evidence, each in its own time, narrowed by what else was asked."""
    if query.ends or query.community_id or query.protocol is not None:
        raise SettingsError("--alert names its flows itself; narrow it down with --host, --port, --start, --end")
    found = _alert(store, alert_id)
    shown = found["evidence"]
    told["alert"] = found["words"]
    told["flows"] = len(shown)
    if shown:
        queries = [_of_flow(flow, query) for flow in shown]
    else:
        queries = [replace(_within(query, found["first_us"], found["last_us"]), hosts=(*query.hosts, found["host"]))]
    return tuple(queries), sensor or found["sensor_id"]


def _alert(store: Store, alert_id: str) -> dict[str, Any]:
    keys = [key for key in store.keys("6_alerts/") if key.endswith(".json") and key.count("/") == 2]
    for key in sorted(keys, key=lambda name: name.split("/")[2], reverse=True):  # the newest are asked for most
        for found in get_json(store, key):
            if found["alert_id"] == alert_id:
                return dict(found)
    raise StoreError(
        f"{store.url}/6_alerts/: no alert {alert_id!r}; mails and reports name it, as in 83f2550c82ad4d1b; "
        "WEIR_STORE says which store is asked"
    )


def _of_flow(flow: dict[str, Any], query: Query) -> Query:
    from weir.packets.headers import WITH_PORTS

    timely = _within(query, flow["start_us"], flow["start_us"] + flow["duration_us"])
    sides = ((flow["src_ip"], flow["src_port"]), (flow["dst_ip"], flow["dst_port"]))
    if flow["protocol"] in WITH_PORTS:
        return replace(timely, ends=sides, protocol=flow["protocol"])
    return replace(timely, hosts=(*query.hosts, flow["src_ip"], flow["dst_ip"]), protocol=flow["protocol"])


def _within(query: Query, start_us: int, end_us: int) -> Query:
    """The query within a span of time, which may be narrower already."""
    return replace(
        query,
        start_us=start_us if query.start_us is None else max(start_us, query.start_us),
        end_us=end_us if query.end_us is None else min(end_us, query.end_us),
    )


def _with_addresses(store: Store, queries: tuple[Query, ...], sensor: str, told: Counts) -> tuple[Query, ...]:
    """A Community ID is a digest: the stored flows say of which addresses, so that indexes can be asked."""
    import pyarrow.compute as pc

    (query,) = queries
    span = _hours(queries)
    for unit in units("2_flows/", store):
        name, hour = unit.split("/")
        if (sensor and name != sensor) or not span[0] <= hour <= span[1]:
            continue
        known = get_table(store, flows_key(unit), ("community_id", "src_ip", "dst_ip"))
        rows = known.filter(pc.equal(known.column("community_id"), query.community_id)).slice(0, 1).to_pylist()
        if rows:
            told["addresses"] = f"{rows[0]['src_ip']} and {rows[0]['dst_ip']}, by the flows of {unit}"
            return (replace(query, hosts=(*query.hosts, rows[0]["src_ip"], rows[0]["dst_ip"])),)
    told["addresses"] = "not known, as no stored flow of that time has this Community ID; every frame of it is read"
    return queries


def _in_folders(places: Sequence[Path], sensor: str, cost: Cost) -> list[Segment]:
    from weir.packets import folder

    found, missing = folder.segments(places)
    cost.damaged += missing
    chosen = [one for one in found if not sensor or one.manifest is None or one.manifest.sensor_id == sensor]
    if found and not chosen:
        there = ", ".join(sorted({one.manifest.sensor_id for one in found if one.manifest}))
        raise SettingsError(f"packets: --sensor {sensor}: no segment here is of it; they are of {there}")
    return chosen


def _in_store(store: Store, queries: Sequence[Query], sensor: str, cost: Cost, told: Counts, verify: bool) -> Iterator[Segment]:
    """The segments of the hours in question; their manifests are read, they are not.

    Their sizes are what the manifests say; the store is asked of those without, and of all where ``verify`` is set.
    """
    from weir.packets.find import Segment
    from weir.packets.manifest import MANIFEST_SUFFIX, SEGMENT_SUFFIX, Manifest

    keys = set(_keys(store, queries, sensor))
    stems = sorted({key.removesuffix(MANIFEST_SUFFIX).removesuffix(SEGMENT_SUFFIX) for key in keys})
    if not stems:
        where = f"{store.url}/1_packets/{sensor}".rstrip("/")
        raise StoreError(f"{where}: no segments of that time; were they collected (weir collect)?")
    told["index_bytes"] = 0
    for stem in stems:
        key, manifest, why_not = stem + SEGMENT_SUFFIX, None, "there is no manifest beside it, so all of it is read"
        if stem + MANIFEST_SUFFIX in keys:
            said = store.get(stem + MANIFEST_SUFFIX)
            told["index_bytes"] += len(said)
            try:
                manifest, why_not = Manifest.read(said), ""
            except CaptureError as error:
                why_not = f"all of it is read, as its manifest cannot be believed: {error}"
        name = f"{store.url}/{key}"
        if key not in keys:
            cost.damaged.append(f"{name}: no such segment, but its manifest is there; was it deleted?")
            continue
        size = manifest.file_bytes if manifest and not verify else store.size(key)
        yield Segment(name, size, partial(store.get_range, key), manifest, why_not)


def _keys(store: Store, queries: Sequence[Query], sensor: str) -> Iterator[str]:
    first, last = _hours(queries)
    hours = _each_hour(queries) if sensor else []
    prefixes = [f"1_packets/{sensor}/{hour}/" for hour in hours] or [f"1_packets/{sensor}/" if sensor else "1_packets/"]
    for prefix in prefixes:
        for key in store.keys(prefix):
            parts = key.split("/")
            if len(parts) == 4 and first <= parts[2] <= last:
                yield key


def _span(queries: Sequence[Query]) -> tuple[int | None, int | None]:
    starts, ends = [query.start_us for query in queries], [query.end_us for query in queries]
    start = min((time for time in starts if time is not None), default=None) if None not in starts else None
    end = max((time for time in ends if time is not None), default=None) if None not in ends else None
    return start, end


def _hours(queries: Sequence[Query]) -> tuple[str, str]:
    """First and last capture hour that may hold something; texts that sort as hours do."""
    start, end = _span(queries)
    return "" if start is None else _hour(start), "9999" if end is None else _hour(end)


def _each_hour(queries: Sequence[Query]) -> list[str]:
    """All hours in question; none where they are too many to be listed one by one."""
    start, end = _span(queries)
    if start is None or end is None or end - start > MOST_HOURS * schema.HOUR_US:
        return []
    return [_hour(time) for time in range(start // schema.HOUR_US * schema.HOUR_US, end + 1, schema.HOUR_US)]


def _hour(time_us: int) -> str:
    return datetime.fromtimestamp(time_us // schema.US_PER_S, UTC).strftime("%Y-%m-%dT%H")


def _demand_link_type(link_type: int, found: Sequence[Segment], opened: Sequence[Opened]) -> None:
    """SettingsError where no segment with packets has it, wanted or not."""
    there = {one.manifest.link_type for one in found if one.manifest and one.manifest.packets}
    there |= {one.form.link_type for one in opened}
    if there and link_type not in there:
        named = ", ".join(map(str, sorted(there)))
        raise SettingsError(f"packets: --link-type {link_type}: no segment here has it; they have {named}")


def _of_one_link_type(opened: Sequence[Opened], link_type: int | None) -> list[Opened]:
    chosen = [one for one in opened if link_type is None or one.form.link_type == link_type]
    kinds = sorted({one.form.link_type for one in chosen})
    if len(kinds) > 1:
        example = {kind: next(one.segment.name for one in chosen if one.form.link_type == kind) for kind in kinds}
        named = ", ".join(f"{kind} ({name})" for kind, name in example.items())
        raise SettingsError(f"a pcap has one link type, but these segments have {named}; choose one with --link-type or --sensor")
    return chosen


def _write(out: Path | BinaryIO, pieces: Iterator[bytes]) -> None:
    """Stream the packets out; a file appears whole under its name or not at all."""
    if not isinstance(out, Path):
        try:
            out.writelines(pieces)
            out.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise StoreError(f"packets: cannot be written: {error.strerror}; free space or name a file with --out") from error
        return
    with whole_file(out) as hidden, hidden.open("wb") as file:
        file.writelines(pieces)


def _pieces(opened: Sequence[Opened], queries: Sequence[Query], cost: Cost, limit: int | None) -> Iterator[bytes]:
    from itertools import islice

    from weir.packets.find import merged
    from weir.packets.records import Form

    forms: Iterable[Form] = [one.form for one in opened]
    form = Form(
        next((one.link_type for one in forms), 1),
        max((one.snaplen for one in forms), default=262_144),
        any(one.has_nanoseconds for one in forms),
    )
    yield form.header()
    for packet in islice(merged(opened, queries, cost), limit):
        yield form.record(packet)
