"""The AWS stand-in is real enough for what Weir asks of S3."""

from random import Random

import pytest

from weir.errors import AbsentError
from weir.site import aws
from weir.site.ports import Ports
from weir.store import S3Store


def test_the_stand_in_gives_ranges_of_objects(stand_in: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws.client_env(stand_in).items():
        monkeypatch.setenv(name, value)
    whole = Random(1).randbytes(300_000)
    store = S3Store(aws.BUCKET, "site")
    store.put("1_packets/a", whole)
    assert store.size("1_packets/a") == len(whole)
    for offset, length in ((0, 1), (0, len(whole)), (len(whole) - 1, 1), (65_535, 131_073)):
        assert store.get_range("1_packets/a", offset, length) == whole[offset : offset + length]
    for key, offset, length in (("1_packets/a", len(whole) - 1, 2), ("1_packets/a", len(whole), 1), ("1_packets/none", 0, 1)):
        with pytest.raises(AbsentError, match=key):
            store.get_range(key, offset, length)
