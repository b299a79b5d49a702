"""weir-capture --flows to an MQTT broker: Mosquitto with mutual TLS, which knows each sensor by its certificate."""

import socket
import subprocess
from pathlib import Path

import pytest

from broker import TOPIC, free_port, identified, issue
from weir.flows.build import build
from weir.settings import FlowSettings


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
