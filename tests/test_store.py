import os
import random
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from moto import mock_aws

from weir.errors import AbsentError, ConflictError, SchemaError, SettingsError, StoreError
from weir.store import FolderStore, S3Store, Store, file_to_write, get_table, open_store, put, put_table


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    if request.param == "folder":
        yield FolderStore(tmp_path)
        return
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        import boto3

        boto3.client("s3").create_bucket(Bucket="weir")
        yield S3Store("weir", "site")


def test_what_is_put_is_got(store: Store) -> None:
    store.put("a/b.bin", b"one")
    store.put("a/b.bin", b"two")
    assert store.get("a/b.bin") == b"two"
    assert store.exists("a/b.bin")


def test_an_absent_object_is_a_store_error_that_names_it(store: Store) -> None:
    assert not store.exists("a/none")
    with pytest.raises(StoreError, match="a/none"):
        store.get("a/none")


def test_a_range_is_exactly_the_bytes_asked_for(store: Store) -> None:
    whole = random.Random(3).randbytes(100_000)
    store.put("a/b", whole)
    for offset, length in ((0, 1), (0, 100_000), (99_999, 1), (4_096, 70_001), (17, 0), (100_000, 0)):
        assert store.get_range("a/b", offset, length) == whole[offset : offset + length]


@pytest.mark.parametrize(("offset", "length"), [(0, 11), (9, 2), (10, 1), (5_000, 7)])
def test_a_range_beyond_the_end_is_an_error_not_fewer_bytes(store: Store, offset: int, length: int) -> None:
    store.put("a/b", bytes(10))
    with pytest.raises(AbsentError, match=r"a/b: (gave|ends before)"):
        store.get_range("a/b", offset, length)


def test_the_size_is_that_of_the_object(store: Store) -> None:
    store.put("a/b", bytes(12_345))
    assert store.size("a/b") == 12_345
    with pytest.raises(AbsentError, match="a/none: no such object"):
        store.size("a/none")


def test_a_range_of_an_absent_object_is_an_error_that_names_it(store: Store) -> None:
    with pytest.raises(AbsentError, match="a/none: no such object"):
        store.get_range("a/none", 0, 1)


def test_keys_are_listed_in_order_below_a_prefix(store: Store) -> None:
    for key in ("2/b", "1/z", "2/a"):
        store.put(key, b"")
    store.put("2/deep/c", b"")
    assert list(store.keys("2/")) == ["2/a", "2/b", "2/deep/c"]
    assert list(store.keys("2/d")) == ["2/deep/c"]
    assert list(store.keys("2/none/")) == list(store.keys("../")) == []
    assert list(store.keys("")) == ["1/z", "2/a", "2/b", "2/deep/c"]


def test_a_new_object_may_be_written_twice_with_the_same_bytes_only(store: Store) -> None:
    store.put_new("a", b"one")
    store.put_new("a", b"one")
    with pytest.raises(ConflictError):
        store.put_new("a", b"two")
    assert store.get("a") == b"one"


def test_only_the_reader_of_the_last_version_may_replace_it(store: Store) -> None:
    first = store.put_if("champion", b"1", None)
    second = store.put_if("champion", b"2", first)
    for stale in (None, first):
        with pytest.raises(ConflictError):
            store.put_if("champion", b"3", stale)
    assert store.get_tagged("champion") == (b"2", second)


def test_of_racing_writers_one_wins(store: Store) -> None:
    tag = store.put_if("champion", b"old", None)
    won: list[int] = []

    def race(n: int) -> None:
        try:
            store.put_if("champion", f"{n}".encode(), tag)
        except ConflictError:
            return
        won.append(n)

    threads = [threading.Thread(target=race, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.get("champion") == f"{won[0]}".encode()


def test_deleting_twice_is_no_error(store: Store) -> None:
    store.put("a", b"")
    store.delete("a")
    store.delete("a")
    assert not store.exists("a")


def test_the_same_table_gives_the_same_bytes(store: Store) -> None:
    table = pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    first, second = put_table(store, "t1", table), put_table(store, "t2", table)
    assert first == second
    assert get_table(store, "t1").equals(table)


def test_some_columns_of_a_table_are_read_alone(store: Store) -> None:
    put_table(store, "t", pa.table({"a": [1], "b": ["x"], "c": [2.0]}))
    assert get_table(store, "t", ["c", "a"]).to_pydict() == {"c": [2.0], "a": [1]}
    with pytest.raises(SchemaError, match="t: lacks d, e; run the job"):
        get_table(store, "t", ["a", "e", "d"])


def test_a_damaged_table_is_a_store_error(store: Store) -> None:
    store.put("t", b"PAR1 nonsense")
    with pytest.raises(StoreError, match="not a whole Parquet file"):
        get_table(store, "t")


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", "/etc/passwd", ""])
def test_a_folder_store_never_leaves_its_folder(tmp_path: Path, key: str) -> None:
    with pytest.raises(StoreError):
        FolderStore(tmp_path / "inside").put(key, b"")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("url", ["", "http://x/y", "s3://"])
def test_what_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(StoreError):
        open_store(url)


def test_a_bucket_that_is_not_there_is_a_store_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        absent = S3Store("nowhere")
        with pytest.raises(StoreError, match="NoSuchBucket"):
            absent.put("a", b"")
        with pytest.raises(StoreError, match="cannot be listed"):
            list(absent.keys(""))


def test_a_failed_write_leaves_nothing_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    put(tmp_path / "a", b"old")
    monkeypatch.setattr("weir.store.os.fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        put(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def make_device(path: Path) -> None:
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))  # what /dev/null is
    except PermissionError:
        pytest.skip("only root makes devices")


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


ODD_FILES = [
    (Path.mkdir, "is a folder, not a regular file"),
    (os.mkfifo, "is a pipe, not a regular file"),
    (make_device, "is a device, not a regular file"),
    (make_socket, "is a socket, not a regular file"),
    (lambda path: path.symlink_to(path), "is a link that leads back to itself"),
]


@pytest.mark.parametrize(("make", "words"), ODD_FILES)
def test_what_is_no_regular_file_is_never_written_over(tmp_path: Path, make, words: str) -> None:
    make(tmp_path / "odd")
    (tmp_path / "link").symlink_to("odd")
    with pytest.raises(SettingsError, match=f"flows: .*/odd {words}; name another file with --out"):
        file_to_write(tmp_path / "odd", "flows")
    with pytest.raises(SettingsError, match=f"flows: .*/link {words}"):
        file_to_write(tmp_path / "link", "flows")


def test_a_pipe_or_a_deleted_file_that_has_no_name_is_never_written_over(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer, "w"), (tmp_path / "gone").open("w") as gone:
        (tmp_path / "gone").unlink()
        with pytest.raises(SettingsError, match="is a pipe"):
            file_to_write(Path(f"/proc/self/fd/{writer}"), "flows")
        with pytest.raises(SettingsError, match="is a deleted file"):
            file_to_write(Path(f"/proc/self/fd/{gone.fileno()}"), "flows")


def test_a_link_means_the_file_that_it_points_to_though_it_be_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("between")
    (tmp_path / "between").symlink_to("file")
    assert file_to_write(tmp_path / "link", "flows") == tmp_path.resolve() / "file"
    (tmp_path / "file").write_bytes(b"old")
    assert file_to_write(tmp_path / "link", "flows") == tmp_path.resolve() / "file"
