"""The process that looks up a broker's name for the sensor: what it can do, what it knows, and how it ends."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broker import free_port, identified


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
