"""The AWS stand-in is real enough for what Weir asks of S3."""

import os
import socket
from pathlib import Path
from random import Random

import pytest

from weir.errors import AbsentError
from weir.site import aws
from weir.site.places import Places
from weir.site.ports import Ports
from weir.site.processes import Services
from weir.store import S3Store

ROOT = Path(__file__).parents[2]
STARTS_S = 120.0


def test_the_stand_in_gives_ranges_of_objects(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    (places.local / "aws-venv").symlink_to(ROOT / ".local" / "aws-venv")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        ports = Ports(int(probe.getsockname()[1]))
    whole = Random(1).randbytes(300_000)
    with Services(places) as services:
        services.start(aws.service(places, ports, dict(os.environ)))
        services.wait("aws", lambda: aws.is_ready(ports), STARTS_S, lambda _: None)
        aws.create(ports)
        for name, value in aws.client_env(ports).items():
            monkeypatch.setenv(name, value)
        store = S3Store(aws.BUCKET, "site")
        store.put("1_packets/a", whole)
        assert store.size("1_packets/a") == len(whole)
        for offset, length in ((0, 1), (0, len(whole)), (len(whole) - 1, 1), (65_535, 131_073)):
            assert store.get_range("1_packets/a", offset, length) == whole[offset : offset + length]
        for key, offset, length in (("1_packets/a", len(whole) - 1, 2), ("1_packets/a", len(whole), 1), ("1_packets/none", 0, 1)):
            with pytest.raises(AbsentError, match=key):
                store.get_range(key, offset, length)
