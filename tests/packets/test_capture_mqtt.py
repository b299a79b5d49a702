"""weir-capture --flows to an MQTT broker: Mosquitto with mutual TLS, which knows each sensor by its certificate."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from weir.flows.build import build
from weir.settings import FlowSettings

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") or "mosquitto"
TOPIC = "weir/lab/flows"
NOW = datetime.now(UTC)


class Issued(NamedTuple):
    """A certificate with its key, and the files they are in."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    certificate_file: Path
    key_file: Path


def issue(folder: Path, name: str, issuer: Issued | None = None, *, host: str = "localhost", days: int = 30) -> Issued:
    """A certificate for ``name``, an authority's own without ``issuer``; with negative ``days`` it has ended."""
    folder.mkdir(exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=60))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    )
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    issued = Issued(certificate, key, folder / f"{name}.crt", folder / f"{name}.key")
    issued.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    issued.key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return issued


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """Mosquitto: sensors over mutual TLS, each under its own name only; a watcher on a plain port keeps all they say."""

    def __init__(self, folder: Path, authority: Issued, identity: Issued, inside: list[str]) -> None:
        self.folder, self.inside = folder, inside
        self.port, self.plain_port = free_port(), free_port()
        self.process: subprocess.Popen | None = None
        (folder / "acl").write_text(f"topic read {TOPIC}\npattern write weir/%u/flows\n")
        (folder / "broker.conf").write_text(
            f"""per_listener_settings true
user root
persistence true
persistence_location {folder}/
max_queued_messages 0
listener {self.port} 127.0.0.1
cafile {authority.certificate_file}
certfile {identity.certificate_file}
keyfile {identity.key_file}
require_certificate true
use_identity_as_username true
acl_file {folder}/acl
listener {self.plain_port} 127.0.0.1
allow_anonymous true
"""
        )

    def start(self) -> None:
        with (self.folder / "broker.log").open("a") as log:
            self.process = subprocess.Popen([*self.inside, MOSQUITTO, "-c", self.folder / "broker.conf"], stdout=log, stderr=log)
        self._ask("-E", "-t", TOPIC, "-c", attempts=50)  # its subscription lasts

    def stop(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=10)
            self.process = None

    def rows(self) -> list[dict]:
        """What has come since the last look."""
        said = self._ask("-t", TOPIC, "-c", "-W", "1", expected=27)  # the code of its own time limit
        return [json.loads(line) for line in said.splitlines() if line]

    def rows_until(self, count: int) -> list[dict]:
        rows: list[dict] = []
        until = time.monotonic() + 40
        while len({row["flow_id"] for row in rows}) < count and time.monotonic() < until:
            rows += self.rows()
        return rows

    def _ask(self, *arguments: str, attempts: int = 1, expected: int = 0) -> str:
        command = [*self.inside, "mosquitto_sub", "-p", str(self.plain_port), "-i", "watcher", "-q", "1", *arguments]
        for _ in range(attempts):
            done = subprocess.run(command, capture_output=True, text=True, timeout=30)
            if done.returncode == expected:
                return done.stdout
            time.sleep(0.1)
        raise AssertionError(f"{done.returncode}: {done.stderr}{(self.folder / 'broker.log').read_text()}")


@pytest.fixture
def authority(tmp_path: Path) -> Issued:
    return issue(tmp_path / "authority", "authority")


@pytest.fixture
def lab(tmp_path: Path, authority: Issued) -> Issued:
    return issue(tmp_path / "sensor", "lab", authority)


@pytest.fixture
def broker(tmp_path: Path, authority: Issued) -> Iterator[Callable[..., Broker]]:
    made: list[Broker] = []

    def make(identity: Issued | None = None, inside: tuple[str, ...] = ()) -> Broker:
        folder = tmp_path / "broker"
        made.append(Broker(folder, authority, identity or issue(folder, "localhost", authority), list(inside)))
        return made[-1]

    (tmp_path / "broker").mkdir()
    yield make
    for one in made:
        one.stop()


def identified(sensor: Issued, authority: Issued) -> list[object]:
    return ["--tls-cert", sensor.certificate_file, "--tls-key", sensor.key_file, "--tls-ca", authority.certificate_file]


def batch_rows(*captures: Path, **settings: int) -> list[dict]:
    return build(captures, FlowSettings(**settings)).table.to_pylist()


def test_rows_reach_the_broker_under_the_sensors_own_name(flows, broker, lab, authority, write_pcap, pcaps):
    source = write_pcap(pcaps.many_flows(2_000))
    place = broker()
    place.start()
    code, events, stderr = flows("-r", source, "--flows", f"json:mqtts://localhost:{place.port}", *identified(lab, authority))
    assert code == 0, stderr
    (target,) = events[-1]["targets"]
    assert target["taken"] == target["delivered"] == 2_000
    key = lambda row: row["flow_id"]  # noqa: E731
    assert sorted(place.rows_until(2_000), key=key) == sorted(batch_rows(source), key=key)


def test_a_broker_on_this_machine_may_do_without_encryption(flows, broker, write_pcap, pcaps):
    place = broker()
    place.start()
    code, events, stderr = flows(
        "-r", write_pcap(pcaps.many_flows(20)), "--flows", f"json:mqtt://127.0.0.1:{place.plain_port}", "--mqtt-topic", TOPIC
    )
    assert code == 0, stderr
    assert len(place.rows_until(20)) == events[-1]["targets"][0]["delivered"] == 20


def test_another_sensors_certificate_is_refused_before_anything_is_sent(flows, tmp_path, authority, write_pcap, pcaps):
    other = issue(tmp_path / "sensor", "other", authority)
    code, events, stderr = flows(
        "-r", write_pcap(pcaps.steady(3)), "--flows", "json:mqtts://localhost", *identified(other, authority)
    )
    assert (code, events) == (2, [])
    assert 'was given to "other", and this sensor is "lab"' in stderr


def test_a_key_that_is_not_the_certificates_is_refused(flows, tmp_path, lab, authority, write_pcap, pcaps):
    mixed = lab._replace(key_file=issue(tmp_path / "sensor", "other", authority).key_file)
    code, _, stderr = flows("-r", write_pcap(pcaps.steady(3)), "--flows", "json:mqtts://localhost", *identified(mixed, authority))
    assert code == 2
    assert "is not the private key" in stderr


def test_an_unencrypted_way_across_the_network_is_refused(flows, write_pcap, pcaps):
    code, _, stderr = flows("-r", write_pcap(pcaps.steady(3)), "--flows", "json:mqtt://192.0.2.1")
    assert code == 2
    assert "use mqtts://" in stderr


def test_a_broker_whose_name_leads_nowhere_is_refused_by_that_reason(flows, write_pcap, pcaps):
    code, _, stderr = flows("-r", write_pcap(pcaps.steady(1)), "--flows", "json:mqtt://nowhere.invalid")
    assert code == 2
    assert "no address of nowhere.invalid is known" in stderr


def test_a_topic_that_is_not_the_sensors_is_refused(flows, lab, authority, write_pcap, pcaps):
    options = [*identified(lab, authority), "--mqtt-topic", "weir/other/flows"]
    code, _, stderr = flows("-r", write_pcap(pcaps.steady(3)), "--flows", "json:mqtts://localhost", *options)
    assert code == 2
    assert "one of its levels is the sensor's name" in stderr


def why_dropped(flows, *arguments: object) -> str:
    """A run whose rows nobody takes: why, as it says."""
    code, events, stderr = flows(*arguments)
    assert code == 4, stderr
    (target,) = events[-1]["targets"]
    assert target["taken"] == target["drop_stopped"] == 20
    return " ".join(event["why"] for event in events if event["event"] == "broker_unreachable")


def test_a_broker_that_another_authority_vouches_for_gets_nothing(flows, tmp_path, broker, lab, write_pcap, pcaps):
    place = broker()
    place.start()
    stranger = issue(tmp_path / "stranger", "stranger")
    source = write_pcap(pcaps.many_flows(20))
    why = why_dropped(flows, "-r", source, "--flows", f"json:mqtts://localhost:{place.port}", *identified(lab, stranger))
    assert "the broker's certificate" in why
    assert place.rows() == []


@pytest.mark.parametrize("scheme", ["mqtt", "mqtts"])
def test_a_closed_port_is_told_as_such(flows, lab, authority, write_pcap, pcaps, scheme):
    source = write_pcap(pcaps.many_flows(20))
    identity = identified(lab, authority) if scheme == "mqtts" else []
    assert (
        why_dropped(flows, "-r", source, "--flows", f"json:{scheme}://localhost:{free_port()}", *identity) == "Connection refused"
    )


def test_an_identity_that_cannot_be_read_is_named(flows, tmp_path, authority, write_pcap, pcaps):
    missing = authority._replace(certificate_file=tmp_path / "no.crt")
    code, _, stderr = flows(
        "-r", write_pcap(pcaps.steady(3)), "--flows", "json:mqtts://localhost", *identified(missing, authority)
    )
    assert code == 2
    assert f"--tls-cert {tmp_path / 'no.crt'}: cannot be read: No such file or directory" in stderr


def test_a_broker_of_another_name_gets_nothing(flows, tmp_path, broker, lab, authority, write_pcap, pcaps):
    place = broker(issue(tmp_path / "broker", "elsewhere", authority, host="elsewhere.example"))
    place.start()
    source = write_pcap(pcaps.many_flows(20))
    why = why_dropped(flows, "-r", source, "--flows", f"json:mqtts://localhost:{place.port}", *identified(lab, authority))
    assert "hostname mismatch" in why.lower()
    assert place.rows() == []


def test_a_sensor_whose_certificate_has_ended_is_told_so(flows, tmp_path, broker, authority, write_pcap, pcaps):
    place = broker()
    place.start()
    old = issue(tmp_path / "sensor", "lab", authority, days=-1)
    source = write_pcap(pcaps.many_flows(20))
    target = ["--flows", f"json:mqtts://localhost:{place.port}", *identified(old, authority)]
    # On a busy machine a broker that closes at once may be quicker than its alert is read.
    assert any("expired" in why_dropped(flows, "-r", source, *target) for _ in range(3))
    assert place.rows() == []


def test_rows_under_a_topic_the_broker_does_not_grant_are_counted_as_refused(flows, broker, lab, authority, write_pcap, pcaps):
    place = broker()
    place.start()
    to = f"json:mqtts://localhost:{place.port}"
    options = [*identified(lab, authority), "--mqtt-topic", "elsewhere/lab/flows"]
    code, events, stderr = flows("-r", write_pcap(pcaps.many_flows(20)), "--flows", to, *options)
    (target,) = events[-1]["targets"]
    assert code == 4, stderr
    assert (target["taken"], target["delivered"], target["drop_refused"]) == (20, 0, 20)
    assert [event["event"] for event in events].count("flows_refused") == 1


def test_a_broker_that_closes_on_each_message_is_told_once_and_not_for_each_connection(binary, write_pcap, pcaps):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        source, port = write_pcap(pcaps.many_flows(20)), listening.getsockname()[1]
        command = [binary, "-r", source, "--flows", f"json:mqtt://127.0.0.1:{port}"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as sensor:
            for _ in range(4):
                connection, _ = listening.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"\x20\x03\0\0\0")  # CONNACK: come in
                    connection.recv(4096)  # a message
            sensor.kill()
            events = pcaps.parse_events(sensor.communicate(timeout=30)[1])
    reasons = [event["why"] for event in events if event["event"] == "broker_unreachable"]
    assert len(reasons) == len(set(reasons)) > 0
    assert [event["event"] for event in events].count("broker_connected") <= len(reasons) + 1 < 4


def test_rows_wait_while_the_broker_is_away_and_all_arrive(loop, broker, tmp_path, lab, authority):
    place = broker()
    options = ["-f", "udp", "--flows-idle", 1, *identified(lab, authority)]
    sensor = loop("--spool", tmp_path / "spool", "--flows", f"json:mqtts://localhost:{place.port}", *options)
    place.inside = ["nsenter", f"--net=/proc/{sensor.process.pid}/ns/net"]
    sensor.send(20_000, ports=50, count=2)
    sensor.wait_for("broker_unreachable")
    place.start()
    sensor.wait_for("broker_connected")
    rows = place.rows_until(50)
    place.stop()
    sensor.send(30_000, ports=40, count=2)
    sensor.wait_for("broker_unreachable")
    place.start()
    sensor.wait_for("broker_connected")
    rows += place.rows_until(40)
    totals, done = sensor.stop()
    (target,) = done["targets"]
    assert {row["src_port"] for row in rows} == {*range(20_000, 20_050), *range(30_000, 30_040)}
    assert (target["taken"], target["delivered"], totals["written"]) == (90, 90, 180)
    assert sensor.process.wait(timeout=10) == 0


def test_a_full_queue_drops_the_newest_rows_and_counts_them(loop, tmp_path, lab, authority):
    to = f"json:mqtts://localhost:{free_port()}"
    options = ["-f", "udp", "--flows-idle", 1, "--queue-mb", 1, *identified(lab, authority)]
    sensor = loop("--spool", tmp_path / "spool", "--flows", to, *options)
    sensor.send(20_000, ports=900)
    sensor.wait_for("flows_dropped")
    totals, done = sensor.stop()
    (target,) = done["targets"]
    assert totals["written"] == 900
    assert target["delivered"] == 0 < target["drop_queue"]
    assert target["drop_queue"] + target["drop_stopped"] == target["taken"] == 900


def test_the_sandbox_leaves_the_broker_reachable_and_nothing_else(binary, tmp_path, lab, authority):
    command = [binary, "--sensor", "lab", "--check-sandbox", "--spool", tmp_path / "spool"]
    to = ["--flows", "json:mqtts://localhost", *identified(lab, authority)]
    done = subprocess.run([*command, *to], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "opening a TCP socket works" in done.stdout
    assert "connecting to another port than the broker's is refused" in done.stdout
    assert "opening a socket of Multipath TCP is refused" in done.stdout
    assert "connecting by TCP Fast Open is refused" in done.stdout
    without = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "opening a TCP socket is refused" in without.stdout


def test_the_check_covers_the_process_that_looks_up_the_broker(binary, tmp_path, lab, authority):
    key = tmp_path / "pan.key"
    key.write_bytes(bytes(range(32)))
    command = [binary, "--sensor", "lab", "--check-sandbox", "--spool", tmp_path / "spool", "--anonymise", key]
    to = ["--flows", "json:mqtts://localhost", *identified(lab, authority)]
    done = subprocess.run([*command, *to], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.partition("look-up of localhost: ") for line in done.stdout.splitlines() if "look-up of" in line]
    assert {before for before, _, _ in lines} == {"as said "}
    said = [after.partition(": ")[0] for _, _, after in lines]
    assert {f"reading the key {file} is refused" for file in (key, lab.key_file)} <= set(said)
    assert {"reading /etc/shadow is refused", "opening a packet socket is refused", "no capability is left"} <= set(said)
    assert {"starting a process is refused", "running a program is refused", "looking into the sensor is refused"} <= set(said)
    assert said[-1] == "looking up localhost works"
    numeric = subprocess.run([*command, "--flows", "json:mqtt://127.0.0.1"], capture_output=True, text=True, timeout=60)
    assert (numeric.returncode, "look-up" in numeric.stdout) == (0, False)


def test_the_check_fails_where_the_look_up_process_can_read_the_sensors_key(binary, tmp_path, lab, authority):
    Path("/etc/weir-test").mkdir(mode=0o755)
    try:
        open_key = lab._replace(key_file=Path(shutil.copy(lab.key_file, "/etc/weir-test/open.key")))
        open_key.key_file.chmod(0o644)
        command = [binary, "--sensor", "lab", "--check-sandbox", "--spool", tmp_path / "spool"]
        to = ["--flows", "json:mqtts://localhost", *identified(open_key, authority)]
        done = subprocess.run([*command, *to], capture_output=True, text=True, timeout=60)
    finally:
        shutil.rmtree("/etc/weir-test")
    assert done.returncode == 1
    assert "WRONG   look-up of localhost: reading the key /etc/weir-test/open.key works" in done.stdout.splitlines()


def look_up_of(sensor) -> int:
    """The process that looks up names for ``sensor``."""
    (process,) = Path(f"/proc/{sensor.process.pid}/task/{sensor.process.pid}/children").read_text().split()
    return int(process)


def status(process: int, thread: str) -> dict[str, str]:
    lines = Path(f"/proc/{process}/task/{thread}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def is_confined(process: int) -> bool:
    threads = [status(process, path.name) for path in Path(f"/proc/{process}/task").iterdir()]
    rights = {int(said[name], 16) for said in threads for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")}
    return rights == {0} and all((said["NoNewPrivs"], said["Seccomp"]) == ("1", "2") for said in threads)


def memory(process: int) -> bytes:
    """All that a process can write to, and thus all it was told."""
    held = []
    with Path(f"/proc/{process}/mem").open("rb", buffering=0) as file:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            start, end = (int(text, 16) for text in span.split("-"))
            if rights.startswith("rw-p"):
                file.seek(start)
                held.append(file.read(end - start))
    return b"".join(held)


@pytest.mark.parametrize("user", [[], ["--user", "nobody"]])
def test_the_look_up_process_has_no_rights_no_packets_and_no_keys(loop, tmp_path, lab, authority, user):
    pan_key = os.urandom(32)
    (tmp_path / "pan.key").write_bytes(pan_key)
    to = ["--flows", f"json:mqtts://localhost:{free_port()}", *identified(lab, authority), *user]
    sensor = loop("--anonymise", tmp_path / "pan.key", *to)
    process = look_up_of(sensor)
    assert is_confined(process)
    assert set(status(process, str(process))["Uid"].split()) == {"65534"}
    assert status(process, str(process))["Groups"] == ""
    assert int(status(process, str(process))["CapBnd"], 16) == 0
    assert Path(f"/proc/{process}/maps").stat().st_uid == 0  # it cannot be dumped: not even its user can look into it
    assert [path.name for path in Path(f"/proc/{process}/fd").iterdir()] == ["0"]
    assert " rw-s " in Path(f"/proc/{sensor.process.pid}/maps").read_text()  # the ring
    assert " rw-s " not in Path(f"/proc/{process}/maps").read_text()
    tls_key = lab.key.private_numbers().private_value.to_bytes(32, "little")
    known, told = memory(sensor.process.pid), memory(process)
    for secret in (pan_key[:16], tls_key):
        assert secret in known
        assert secret not in told
        assert secret[::-1] not in told
    assert lab.key_file.read_bytes()[40:80] not in told


NAMESERVER = textwrap.dedent(
    """
    import socket, sys
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    print("listening", flush=True)
    while True:
        question, client = server.recvfrom(512)
        print("asked", flush=True)
        name = question[12 : question.index(0, 12) + 5]
        is_a = name[-4:-2] == bytes([0, 1])
        answer = bytes([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 9]) if is_a else b""
        header = question[:2] + bytes([0x81, 0x80, 0, 1, 0, int(is_a), 0, 0, 0, 0])
        if sys.argv[1] == "answer":
            server.sendto(header + name + answer, client)
    """
)


@pytest.fixture
def nameserver() -> Iterator[Callable[..., subprocess.Popen]]:
    """A name server on the loopback of a sensor: every name is 127.0.0.9, or it says nothing."""
    running: list[subprocess.Popen] = []

    def start(sensor, manner: str) -> subprocess.Popen:
        inside = ["nsenter", f"--net=/proc/{sensor.process.pid}/ns/net", sys.executable, "-c", NAMESERVER, manner]
        running.append(subprocess.Popen(inside, stdout=subprocess.PIPE, text=True))
        assert running[-1].stdout.readline() == "listening\n"
        return running[-1]

    yield start
    for one in running:
        one.kill()
        one.communicate()


@pytest.fixture
def names(tmp_path: Path) -> dict[str, Path]:
    """Files that have names looked up in the file of hosts, then at 127.0.0.1."""
    texts = {
        "nsswitch.conf": "hosts: files dns\n",
        "resolv.conf": "nameserver 127.0.0.1\n",
        "hosts": "127.0.0.8 listed.example\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644)
    return {f"/etc/{name}": tmp_path / name for name in texts}


def wait_for_reason(sensor, why: str) -> None:
    while sensor.wait_for("broker_unreachable")["why"] != why:
        continue


def test_a_confined_process_looks_names_up_in_the_file_of_hosts(loop, names, lab, authority):
    to = f"json:mqtts://listed.example:{free_port()}"
    sensor = loop("--flows", to, *identified(lab, authority), files=names)
    wait_for_reason(sensor, "Connection refused")
    assert is_confined(look_up_of(sensor))


def test_a_confined_process_asks_name_servers(loop, names, nameserver, lab, authority):
    to = f"json:mqtts://served.example:{free_port()}"
    sensor = loop("--flows", to, *identified(lab, authority), files=names)
    wait_for_reason(sensor, "no address of served.example is known")
    nameserver(sensor, "answer")
    wait_for_reason(sensor, "Connection refused")
    assert is_confined(look_up_of(sensor))


def ends(process: int) -> bool:
    """Whether it does within 2 s; its maps are empty then, be it reaped or not."""
    maps, until = Path(f"/proc/{process}/maps"), time.monotonic() + 2
    while maps.exists() and maps.read_text() and time.monotonic() < until:
        time.sleep(0.02)
    return not (maps.exists() and maps.read_text())


def test_the_look_up_process_ends_with_a_killed_sensor_even_while_it_waits_for_an_answer(loop, names, nameserver, lab, authority):
    to = f"json:mqtts://served.example:{free_port()}"
    sensor = loop("--flows", to, *identified(lab, authority), files=names)
    process = look_up_of(sensor)
    server = nameserver(sensor, "silence")
    assert server.stdout.readline() == "asked\n"
    sensor.process.kill()
    assert ends(process)


def test_signals_that_stop_the_sensor_leave_the_look_up_to_it(loop, lab, authority):
    sensor = loop("--flows", f"json:mqtts://localhost:{free_port()}", *identified(lab, authority))
    process = look_up_of(sensor)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(process, number)
    assert not ends(process)
    sensor.stop()
    sensor.process.wait(timeout=10)
    assert ends(process)


def test_a_sensor_whose_look_up_process_was_killed_says_so_once_and_goes_on(loop, broker, lab, authority):
    place = broker()
    options = ["-f", "udp", "--flows-idle", 1, *identified(lab, authority)]
    sensor = loop("--flows", f"json:mqtts://localhost:{place.port}", *options)
    place.inside = ["nsenter", f"--net=/proc/{sensor.process.pid}/ns/net"]
    place.start()
    sensor.wait_for("broker_connected")
    os.kill(look_up_of(sensor), signal.SIGKILL)
    ended = sensor.wait_for("look_up_ended")
    assert (ended["host"], ended["addresses"] > 0) == ("localhost", True)
    place.stop()
    assert sensor.wait_for("broker_unreachable")["why"] != "no address of localhost is known"
    place.start()
    sensor.wait_for("broker_connected")
    sensor.send(20_000, ports=30, count=2)
    assert len({row["flow_id"] for row in place.rows_until(30)}) == 30
    sensor.process.terminate()
    assert "look_up_ended" not in sensor.process.communicate(timeout=30)[1]
    assert sensor.process.returncode == 0
