"""Every table's columns, written once.

The native flow core, the Great Expectations suites, the documentation, Parquet files and model
artifacts are checked against these tables. Names go quantity, direction, statistic, unit;
``fwd`` is the side that spoke first, also where a flow goes on in another row. Times are int64
microseconds, UTC, taken from packets.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from weir.errors import SchemaError

if TYPE_CHECKING:
    import pyarrow as pa

US_PER_S = 1_000_000
HOUR_US = 3_600 * US_PER_S

Dtype = Literal["int64", "int32", "float64", "string"]
Role = Literal["id", "feature", "detail", "lineage"]


@dataclass(frozen=True)
class Column:
    """One column: what it is called, how it is stored, what it means, what values it may take.

    ``low`` and ``high`` bound the values, both inclusive; None leaves a side open. ``role`` says
    whether a model may learn from it: identifiers (addresses, ports, times) and lineage never
    enter a training matrix, because a model would learn the laboratory instead of the behaviour;
    nor do details, which are there for people to read.
    """

    name: str
    dtype: Dtype
    unit: str
    meaning: str
    role: Role = "feature"
    cic: str | None = None
    low: float | None = None
    high: float | None = None


def _id(name: str, dtype: Dtype, unit: str, meaning: str, cic: str | None = None) -> Column:
    return Column(name, dtype, unit, meaning, role="id", cic=cic)


def _port(name: str, meaning: str, cic: str) -> Column:
    return Column(name, "int32", "", meaning, role="id", cic=cic, low=0, high=65535)


def _odd(layer: str, meaning: str) -> Column:
    words = f"packets with {meaning}; 65535 for as many or more"
    return Column(f"odd_{layer}", "int64", "packets", words, role="id", low=0, high=65535)


def _flags(name: str, meaning: str) -> Column:
    return Column(name, "int32", "", meaning, role="id", low=0, high=255)


def _lineage(name: str, dtype: Dtype, unit: str, meaning: str) -> Column:
    return Column(name, dtype, unit, meaning, role="lineage")


def _said(name: str, meaning: str) -> Column:
    return Column(name, "string", "", f"{meaning}; empty without", role="detail")


def _said_number(name: str, meaning: str, high: int) -> Column:
    return Column(name, "int32", "", f"{meaning}; -1 without", role="detail", low=-1, high=high)


def _entropy(direction: str) -> Column:
    words = f"Shannon entropy of the first 64 bytes of the first payload sent {direction}; 0 without"
    return Column(f"payload_entropy_{direction}", "float64", "bit/B", words, role="detail", low=0, high=6)


def _gap(direction: str) -> Column:
    words = f"TCP bytes sent {direction} that the sensor never saw, by sequence numbers"
    return Column(f"gap_bytes_{direction}", "int64", "B", words, role="detail", low=0)


def _count(name: str, unit: str, meaning: str, cic: str | None = None) -> Column:
    return Column(name, "int64", unit, meaning, cic=cic, low=0)


def _measure(name: str, unit: str, meaning: str, cic: str | None = None) -> Column:
    return Column(name, "float64", unit, meaning, cic=cic, low=0)


def _share(name: str, meaning: str) -> Column:
    return Column(name, "float64", "", meaning, low=0, high=1)


def _payload(direction: str, words: str, cic: tuple[str, str, str, str]) -> tuple[Column, ...]:
    prefix = f"payload_{direction}" if direction else "payload"
    return (
        _count(f"{prefix}_max", "B", f"largest payload of a packet {words}", cic[0]),
        _count(f"{prefix}_min", "B", f"smallest payload of a packet {words}", cic[1]),
        _measure(f"{prefix}_mean", "B", f"mean payload of the packets {words}", cic[2]),
        _measure(f"{prefix}_std", "B", f"sample standard deviation of the payloads {words}", cic[3]),
    )


def _window(name: str, meaning: str, cic: str) -> Column:
    return Column(name, "int64", "B", meaning, cic=cic, low=0, high=65535)


def _times(prefix: str, words: str, cic: str) -> tuple[Column, ...]:
    return (
        _measure(f"{prefix}_mean_us", "us", f"mean {words}", f"{cic} Mean"),
        _measure(f"{prefix}_std_us", "us", f"sample standard deviation of the {words}", f"{cic} Std"),
        _count(f"{prefix}_max_us", "us", f"longest {words}", f"{cic} Max"),
        _count(f"{prefix}_min_us", "us", f"shortest {words}", f"{cic} Min"),
    )


def _bulk(direction: str, cic: str) -> tuple[Column, ...]:
    words = f"bulks (4 or more data packets in a row, less than 1 s apart) sent {direction}"
    return (
        _measure(f"bulk_{direction}_bytes_mean", "B", f"mean payload of {words}, rounded down", f"{cic} Bytes/Bulk Avg"),
        _measure(f"bulk_{direction}_packets_mean", "packets", f"mean length of {words}, rounded down", f"{cic} Packet/Bulk Avg"),
        _measure(f"bulk_{direction}_rate", "B/s", f"payload rate inside {words}, rounded down", f"{cic} Bulk Rate Avg"),
    )


FLOWS: tuple[Column, ...] = (
    _id(
        "flow_id",
        "int64",
        "",
        "hash of 5-tuple, start and first sequence number; the same packets give the same id",
    ),
    _id("start_us", "int64", "us", "capture time of the first packet, UTC since 1970", "Timestamp"),
    _id("src_ip", "string", "", "address of the side that spoke first, in the conversation's first row", "Src IP"),
    _id("dst_ip", "string", "", "address of the other side", "Dst IP"),
    _port("src_port", "port of the side that spoke first; 0 without ports", "Src Port"),
    _port("dst_port", "port of the other side; 0 without ports", "Dst Port"),
    _id("community_id", "string", "", "Community ID v1 with seed 0; Zeek, Suricata and others name the conversation alike"),
    _id("end_reason", "string", "", "why it ended: idle, active, finished (TCP closed), forced (captures ended), table_full"),
    _id("conn_state", "string", "", "how it went, in Zeek's words: S0, S1, SF, REJ, RSTO and so on; OTH without TCP or UDP"),
    _id("history", "string", "", "what came first, in Zeek's letters S H A D F R T W; lower case for the other side"),
    Column("protocol", "int32", "", "IP protocol number, of the innermost IP header", cic="Protocol", low=0, high=255),
    Column("ip_version", "int32", "", "4 or 6", low=4, high=6),
    _count("duration_us", "us", "last packet minus first; 0 for a single packet", "Flow Duration"),
    Column("packets_fwd", "int64", "packets", "packets of the side that spoke first", cic="Total Fwd Packet", low=0),
    _count("packets_bwd", "packets", "packets of the other side", "Total Bwd packets"),
    _count("bytes_fwd", "B", "IP bytes of the side that spoke first, headers included"),
    _count("bytes_bwd", "B", "IP bytes of the other side, headers included"),
    _count("payload_fwd", "B", "payload of the side that spoke first", "Total Length of Fwd Packet"),
    _count("payload_bwd", "B", "payload of the other side", "Total Length of Bwd Packet"),
    *_payload(
        "fwd", "sent fwd", ("Fwd Packet Length Max", "Fwd Packet Length Min", "Fwd Packet Length Mean", "Fwd Packet Length Std")
    ),
    *_payload(
        "bwd", "sent bwd", ("Bwd Packet Length Max", "Bwd Packet Length Min", "Bwd Packet Length Mean", "Bwd Packet Length Std")
    ),
    *_payload("", "in either direction", ("Packet Length Max", "Packet Length Min", "Packet Length Mean", "Packet Length Std")),
    _measure("payload_var", "B^2", "sample variance of the payloads in either direction", "Packet Length Variance"),
    _measure("payload_rate", "B/s", "payload per second; 0 where duration is 0", "Flow Bytes/s"),
    _measure("packet_rate", "1/s", "packets per second; 0 where duration is 0", "Flow Packets/s"),
    _measure("packet_fwd_rate", "1/s", "packets sent fwd per second; 0 where duration is 0", "Fwd Packets/s"),
    _measure("packet_bwd_rate", "1/s", "packets sent bwd per second; 0 where duration is 0", "Bwd Packets/s"),
    *_times("iat", "time between packets in either direction", "Flow IAT"),
    _count("iat_fwd_total_us", "us", "first to last packet sent fwd", "Fwd IAT Total"),
    *_times("iat_fwd", "time between packets sent fwd", "Fwd IAT"),
    _count("iat_bwd_total_us", "us", "first to last packet sent bwd", "Bwd IAT Total"),
    *_times("iat_bwd", "time between packets sent bwd", "Bwd IAT"),
    _count("psh_fwd", "packets", "PSH flags sent fwd", "Fwd PSH Flags"),
    _count("psh_bwd", "packets", "PSH flags sent bwd", "Bwd PSH Flags"),
    _count("urg_fwd", "packets", "URG flags sent fwd", "Fwd URG Flags"),
    _count("urg_bwd", "packets", "URG flags sent bwd", "Bwd URG Flags"),
    _count("rst_fwd", "packets", "RST flags sent fwd", "Fwd RST Flags"),
    _count("rst_bwd", "packets", "RST flags sent bwd", "Bwd RST Flags"),
    _count("header_fwd", "B", "transport headers sent fwd", "Fwd Header Length"),
    _count("header_bwd", "B", "transport headers sent bwd", "Bwd Header Length"),
    _count("flags_fin", "packets", "packets with FIN", "FIN Flag Count"),
    _count("flags_syn", "packets", "packets with SYN", "SYN Flag Count"),
    _count("flags_rst", "packets", "packets with RST", "RST Flag Count"),
    _count("flags_psh", "packets", "packets with PSH", "PSH Flag Count"),
    _count("flags_ack", "packets", "packets with ACK", "ACK Flag Count"),
    _count("flags_urg", "packets", "packets with URG", "URG Flag Count"),
    _count("flags_cwr", "packets", "packets with CWR", "CWR Flag Count"),
    _count("flags_ece", "packets", "packets with ECE", "ECE Flag Count"),
    _flags("tcp_flags_fwd", "TCP flags of all packets fwd together, as one byte; 0 without TCP"),
    _flags("tcp_flags_bwd", "TCP flags of all packets bwd together, as one byte; 0 without TCP"),
    _count("retransmitted_fwd", "packets", "TCP segments sent fwd again"),
    _count("retransmitted_bwd", "packets", "TCP segments sent bwd again"),
    _count("out_of_order_fwd", "packets", "TCP segments sent fwd that came late, into a gap seen before"),
    _count("out_of_order_bwd", "packets", "TCP segments sent bwd that came late, into a gap seen before"),
    _gap("fwd"),
    _gap("bwd"),
    _count("zero_windows_fwd", "packets", "TCP packets sent fwd that say: my buffer is full"),
    _count("zero_windows_bwd", "packets", "TCP packets sent bwd that say: my buffer is full"),
    _measure("down_up_ratio", "", "packets bwd over packets fwd", "Down/Up Ratio"),
    *_bulk("fwd", "Fwd"),
    *_bulk("bwd", "Bwd"),
    # CICFlowMeter begins a subflow at every packet, so its means per subflow are shares of all packets.
    _measure("subflow_fwd_packets", "packets", "packets fwd over all packets, rounded down", "Subflow Fwd Packets"),
    _measure("subflow_fwd_payload", "B", "payload fwd over all packets, rounded down", "Subflow Fwd Bytes"),
    _measure("subflow_bwd_packets", "packets", "packets bwd over all packets, rounded down", "Subflow Bwd Packets"),
    _measure("subflow_bwd_payload", "B", "payload bwd over all packets, rounded down", "Subflow Bwd Bytes"),
    _window("init_win_fwd", "TCP window of the first packet fwd; 0 without TCP", "FWD Init Win Bytes"),
    # What CICFlowMeter calls the initial window backward is overwritten by every packet backward.
    _window("init_win_bwd", "TCP window of the latest packet bwd; 0 without one", "Bwd Init Win Bytes"),
    _count("data_packets_fwd", "packets", "packets fwd with payload, the flow's first packet left out", "Fwd Act Data Pkts"),
    _count("segment_size_fwd_min", "B", "shortest transport header sent fwd", "Fwd Seg Size Min"),
    *_times("active", "burst before a pause above 5 s", "Active"),
    *_times("idle", "pause above 5 s", "Idle"),
    Column("icmp_type", "int32", "", "type of the first ICMP or ICMPv6 packet; -1 without", cic="ICMP Type", low=-1, high=255),
    Column("icmp_code", "int32", "", "code of the first ICMP or ICMPv6 packet; -1 without", cic="ICMP Code", low=-1, high=255),
    _entropy("fwd"),
    _entropy("bwd"),
    _said("app", "application protocol, as its first bytes show it: dns, http, tls, quic, ftp, ssh, smtp, mqtt or modbus"),
    _said("dns_qname", "name that the first DNS question asks for"),
    _said_number("dns_qtype", "type that the first DNS question asks for, such as 1 for A", 65535),
    _said_number("dns_rcode", "code in the header of the first DNS answer: 0 found, 3 no such name", 15),
    _said_number("dns_answers", "records in the first DNS answer", 65535),
    _said("http_method", "method of the first HTTP/1 request"),
    _said("http_host", "host that the first HTTP/1 request names"),
    _said("http_uri", "target of the first HTTP/1 request"),
    _said("http_user_agent", "what the first HTTP/1 client calls itself"),
    _said_number("http_status", "status of the first HTTP/1 response", 999),
    _said("tls_version", "TLS version that the server chose, such as TLS 1.2 or TLS 1.3 draft 28"),
    _said_number("tls_cipher", "cipher suite that the server chose, by its IANA number", 65535),
    _said("tls_sni", "server name that the TLS or QUIC client asks for"),
    _said("tls_alpn", "protocols that the TLS or QUIC client offers, the one it likes best first"),
    _said("tls_ja4", "JA4 fingerprint of the TLS or QUIC client"),
    _said("quic_version", "version of the first QUIC packet, in hexadecimal"),
    _said("ftp_user", "user that logs in to FTP"),
    _said("ftp_commands", "first FTP commands, in order"),
    _said("ssh_client", "software that the SSH client says it is"),
    _said("ssh_server", "software that the SSH server says it is"),
    _said("smtp_helo", "name by which the SMTP client greets"),
    _said("smtp_from", "sender of the first mail that is given a recipient, else of the first one, as the SMTP client gives it"),
    _said("smtp_to", "first recipient of that mail, as the SMTP client gives it"),
    _said("mqtt_client_id", "identifier that the MQTT client connects with"),
    _said("mqtt_topic", "topic of the first MQTT message"),
    _said_number("modbus_unit", "unit that the first Modbus/TCP request addresses", 255),
    _said_number("modbus_function", "function code of the first Modbus/TCP request", 127),
    _said_number("modbus_exception", "exception code of the first Modbus/TCP answer", 255),
    _odd("link", "a frame that no sound sender writes"),
    _odd("network", "an odd IP header or fragment: length, checksum, address, option and others"),
    _odd("transport", "an odd TCP, UDP or ICMP header: checksum, length, port, flags"),
    _lineage("segment_index", "int32", "", "which of the given captures holds the first packet, from 0"),
    _lineage("first_offset", "int64", "B", "where its record begins in that capture, uncompressed"),
)
"""What the native core returns: one row per bidirectional flow."""

STORED_FLOWS: tuple[Column, ...] = (
    *FLOWS,
    _lineage("sensor_id", "string", "", "which sensor saw it"),
    _lineage("hour", "string", "", "capture hour, UTC, such as 2026-01-31T09"),
    _lineage("segment", "string", "", "sha256 of the segment that holds the first packet"),
)
"""What lies in the store under ``2_flows`` and, once valid, under ``3_features/flows``."""

WINDOWS: tuple[Column, ...] = (
    _id("window_id", "int64", "", "hash of sensor, host and window start"),
    _id("start_us", "int64", "us", "start of the window, UTC since 1970"),
    _id("host", "string", "", "the address whose traffic this row sums up"),
    _count("flows_out", "flows", "flows the host started"),
    _count("flows_in", "flows", "flows others started with the host"),
    _count("peers_out", "hosts", "distinct addresses the host contacted"),
    _count("peers_in", "hosts", "distinct addresses that contacted the host"),
    _count("peers_out_rare", "hosts", "addresses the host contacted that no other host contacted in the capture hour"),
    _count("ports_out", "ports", "distinct destination ports the host contacted"),
    _count("ports_in", "ports", "distinct ports of the host that were contacted"),
    _count("packets_out", "packets", "packets the host sent, in flows of either side"),
    _count("packets_in", "packets", "packets the host received"),
    _count("bytes_out", "B", "IP bytes the host sent"),
    _count("bytes_in", "B", "IP bytes the host received"),
    _count("bytes_out_peer_max", "B", "most IP bytes the host sent to one address, in flows it started"),
    Column("bytes_asymmetry", "float64", "", "ln((bytes out + 1) / (bytes in + 1)); above 0 when the host sends more"),
    _count("unanswered_out", "flows", "flows the host started that got no packet back"),
    _count("unanswered_in", "flows", "flows others started with the host that it sent no packet back in"),
    _count(
        "refused_out", "flows", "TCP flows the host started that were answered with RST and no payload, whatever was sent to them"
    ),
    _count("refused_in", "flows", "TCP flows others started with the host that it answered with RST and no payload"),
    _share("failed_share", "(unanswered + refused) / flows out; 0 without flows"),
    _count("empty_out", "flows", "TCP flows the host started that carried no payload in either direction"),
    _count("empty_in", "flows", "TCP flows others started with the host that carried no payload in either direction"),
    _count("syn_out", "packets", "SYN flags in flows the host started"),
    _count("udp_out", "flows", "UDP flows the host started"),
    _count("icmp_out", "flows", "ICMP and ICMPv6 flows the host started"),
    _count("dns_out", "flows", "flows the host started to port 53"),
    _count("icmp_bytes_out", "B", "IP bytes the host sent in ICMP and ICMPv6 flows it started"),
    _count("dns_bytes_out", "B", "IP bytes the host sent to port 53"),
    _count("service_flows_max", "flows", "most TCP flows the host started to one address and port"),
    _count("service_flows_in_max", "flows", "most TCP flows one address started to one port of the host"),
    _count("service_packets_max", "packets", "most packets the host sent to one address and port, in flows it started"),
    _measure("port_entropy", "bit", "Shannon entropy of the destination ports of the flows the host started"),
    _measure("peer_entropy", "bit", "Shannon entropy of the addresses the host contacted, by flows"),
    _share("regularity", "1 - MAD / median of the gaps between flow starts to one service, best of all; 0 below 5 gaps"),
    _share("size_regularity", "1 - MAD / median of the IP bytes sent per flow to one service, best of all; 0 below 6 flows"),
    _share(
        "beacon",
        "how much the hour's flows to one service of this window look like a call home, best of all; see features/rhythm.py",
    ),
    _measure("payload_out_mean", "B", "mean payload of the packets the host sent"),
    _measure("duration_mean_us", "us", "mean duration of the flows the host started"),
    _lineage("sensor_id", "string", "", "which sensor saw it"),
    _lineage("hour", "string", "", "capture hour, UTC, such as 2026-01-31T09"),
)
"""One row per host and 60 s in which it was seen; a flow counts, whole, in the window it starts in."""

SCORES: tuple[Column, ...] = (
    _id("table", "string", "", "flows or windows"),
    _id("row_id", "int64", "", "flow_id or window_id"),
    _id("start_us", "int64", "us", "start of the flow or window"),
    _id("host", "string", "", "source of the flow, or host of the window"),
    Column("score", "float64", "", "as the detector gave it; higher is stranger"),
    Column("p_value", "float64", "", "share of held-back normal rows at least as strange", low=0, high=1),
    _lineage("model_id", "string", "", "which model scored it"),
    _lineage("sensor_id", "string", "", "which sensor saw it"),
    _lineage("hour", "string", "", "capture hour, UTC"),
)

TABLES: dict[str, tuple[Column, ...]] = {
    "flows": STORED_FLOWS,
    "windows": WINDOWS,
    "scores": SCORES,
}
"""The tables that are stored, by name."""

ROW_ID = {"flows": "flow_id", "windows": "window_id"}
"""The column that names a row, for each table that is scored."""

HOST = {"flows": "src_ip", "windows": "host"}
"""The column that says whose behaviour a row shows, for each table that is scored."""


def features(table: str) -> tuple[str, ...]:
    """Names of the columns a model may learn from, in order."""
    return tuple(column.name for column in TABLES[table] if column.role == "feature")


def schema_hash(table: str) -> str:
    """Twelve hex digits that change whenever a name, dtype, unit or role of the table does."""
    facts = [(c.name, c.dtype, c.unit, c.role) for c in TABLES[table]]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]


def arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    """The same columns as an Arrow schema, none nullable, units in the field metadata."""
    import pyarrow as pa

    types = {"int64": pa.int64(), "int32": pa.int32(), "float64": pa.float64(), "string": pa.string()}
    return pa.schema([pa.field(c.name, types[c.dtype], nullable=False, metadata={"unit": c.unit}) for c in columns])


def conform(table: pa.Table, columns: tuple[Column, ...], what: str) -> pa.Table:
    """The table with exactly these columns in this order and of these types.

    Raises
    ------
    SchemaError
        names each column that is missing or cannot be cast, and the table by ``what``.
    """
    import pyarrow as pa

    missing = [c.name for c in columns if c.name not in table.column_names]
    if missing:
        raise SchemaError(f"{what}: columns {', '.join(missing)} are missing; was it written by another version?")
    wanted = arrow_schema(columns)
    arrays = []
    for field in wanted:
        column = table.column(field.name)
        try:
            arrays.append(column.cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise SchemaError(f"{what}: column {field.name} is {column.type}, not {field.type}: {error}") from error
    return pa.table(arrays, schema=wanted)


def hour_of(start_us: int) -> str:
    """The capture hour a time lies in, such as ``2026-01-31T09``."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(start_us // US_PER_S, UTC).strftime("%Y-%m-%dT%H")
