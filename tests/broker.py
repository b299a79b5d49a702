"""Mosquitto with mutual TLS, which knows each sensor by its certificate, and the certificates for both."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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


def identified(sensor: Issued, authority: Issued) -> list[object]:
    return ["--tls-cert", sensor.certificate_file, "--tls-key", sensor.key_file, "--tls-ca", authority.certificate_file]
