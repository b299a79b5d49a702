"""The store: named objects that appear whole or not at all, in a folder or in S3.

Keys are relative, such as ``2_flows/lab/2026-01-31T09.parquet``; the seven prefixes are those of
the way of the data. Only jobs open a store. S3 is reached through boto3, which honours
``AWS_ENDPOINT_URL``, so a local stand-in and AWS differ by one variable.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol
from urllib.parse import urlsplit

from weir.errors import AbsentError, ConflictError, SchemaError, SettingsError, StoreError

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET_COMPRESSION = "zstd"
READ_BYTES = 1 << 20  # asked of a file at once, whatever length somebody claims it has
S3_ATTEMPTS = 5  # with botocore's standard back-off, about 20 s of patience


def put(path: Path, whole: bytes) -> None:
    """Make ``whole`` appear at ``path`` at once, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, hidden = tempfile.mkstemp(prefix="." + path.name + ".", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(whole)
            out.flush()
            os.fsync(out.fileno())
        Path(hidden).rename(path)
    except OSError as error:
        Path(hidden).unlink(missing_ok=True)
        raise StoreError(f"{path}: cannot be written: {error.strerror}; free space or mend the rights, then run again") from error
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A new, empty file to fill, which then appears as ``target`` at once; where filling it fails, it is gone.

    StoreError where the disk or its rights are in the way.
    """
    hidden = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        hidden.open("xb").close()  # never what lies there already, nor what a link there points to
        try:
            yield hidden
            hidden.replace(target)
        finally:
            hidden.unlink(missing_ok=True)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error  # Arrow's own words name no reason
        raise StoreError(f"{target}: cannot be written: {why}; free space or name another file with --out") from error


def file_to_write(named: Path, verb: str, instead: str = "name another file with --out") -> Path:
    """The file that a user's name for an output means: a link is followed, so that it stays and what it points to is written.

    Raises SettingsError where something is there that is no regular file, as the rename of a whole
    file to that name would destroy a device or a pipe. ``instead`` says what to do then.
    """
    target = Path(os.path.realpath(named))
    try:
        if target.is_symlink():
            raise SettingsError(f"{verb}: {named} is a link that leads back to itself; {instead}")
        # Links in /proc lead to pipes and deleted files that no name leads to.
        if named.exists() and not target.is_file():
            raise SettingsError(f"{verb}: {named} is {_kind(named)}, not a regular file; {instead}")
    except OSError as error:
        raise SettingsError(f"{verb}: {named}: {error.strerror}; {instead}") from error
    return target


def _kind(path: Path) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFREG: "a deleted file"}
    return kinds.get(stat.S_IFMT(path.stat().st_mode), "a device")


class Store(Protocol):
    """What jobs need of a store; every member keeps the same promises (tests/test_store.py)."""

    url: str

    def put(self, key: str, whole: bytes) -> None:
        """Write or replace an object."""

    def put_new(self, key: str, whole: bytes) -> None:
        """Write an object that must not exist; ConflictError when it does with other bytes."""

    def put_if(self, key: str, whole: bytes, tag: str | None) -> str:
        """Replace the object only if its tag still is ``tag`` (None: it must not exist).

        Returns the new tag. ConflictError when somebody else was quicker.
        """

    def get(self, key: str) -> bytes:
        """The object; StoreError when there is none."""

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """Exactly these bytes of an object, and no others are moved; AbsentError when it does not have them all."""

    def size(self, key: str) -> int:
        """How many bytes the object has; AbsentError when there is none."""

    def get_tagged(self, key: str) -> tuple[bytes, str]:
        """The object and the tag that ``put_if`` asks for."""

    def exists(self, key: str) -> bool:
        """Whether the object is there."""

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys that begin with ``prefix``, in order."""

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens when there is none."""


class FolderStore:
    """Objects as files below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.url = self.folder.as_uri()

    def _path(self, key: str) -> Path:
        path = (self.folder / key).resolve()
        if not path.is_relative_to(self.folder) or path == self.folder:
            raise StoreError(f"{key!r}: not a key; keys are relative paths inside {self.folder}")
        return path

    def put(self, key: str, whole: bytes) -> None:
        """Write or replace an object."""
        put(self._path(key), whole)

    def put_new(self, key: str, whole: bytes) -> None:
        """Write an object that must not exist yet, or exists with these very bytes."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix="." + path.name, dir=path.parent) as hidden:
            hidden.write(whole)
            hidden.flush()
            os.fsync(hidden.fileno())
            try:
                os.link(hidden.name, path)
            except FileExistsError:
                if path.read_bytes() != whole:
                    raise ConflictError(f"{self.url}/{key}: exists with other content") from None

    def put_if(self, key: str, whole: bytes, tag: str | None) -> str:
        """Replace the object only if nobody else did since ``tag`` was read."""
        import fcntl

        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with (path.parent / f".{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = _digest(path.read_bytes()) if path.exists() else None
            if found != tag:
                raise ConflictError(
                    f"{self.url}/{key}: changed by somebody else since it was read; read it again and decide anew"
                )
            put(path, whole)
        return _digest(whole)

    def get(self, key: str) -> bytes:
        """The object; StoreError when there is none."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            raise AbsentError(f"{self.url}/{key}: no such object") from None

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """Exactly these bytes of an object; AbsentError when it does not have them all."""
        assert offset >= 0
        assert length >= 0
        try:
            with self._path(key).open("rb", buffering=0) as file:
                file.seek(offset)
                part = _read(file, length)
        except (FileNotFoundError, IsADirectoryError):
            raise AbsentError(f"{self.url}/{key}: no such object") from None
        return _whole_range(part, f"{self.url}/{key}", offset, length)

    def size(self, key: str) -> int:
        """How many bytes the object has; AbsentError when there is none."""
        if not self.exists(key):
            raise AbsentError(f"{self.url}/{key}: no such object")
        return self._path(key).stat().st_size

    def get_tagged(self, key: str) -> tuple[bytes, str]:
        """The object and the tag that ``put_if`` asks for."""
        whole = self.get(key)
        return whole, _digest(whole)

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        return self._path(key).is_file()

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys that begin with ``prefix``, in order."""
        above = self.folder / prefix.rpartition("/")[0]
        files = above.rglob("*") if above.resolve().is_relative_to(self.folder) else iter(())
        names = (p.relative_to(self.folder).as_posix() for p in files if p.is_file() and not p.name.startswith("."))
        yield from sorted(name for name in names if name.startswith(prefix))

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens when there is none."""
        self._path(key).unlink(missing_ok=True)


class S3Store:
    """Objects in a bucket, below an optional prefix."""

    def __init__(self, bucket: str, prefix: str = "") -> None:
        import boto3
        from botocore.config import Config

        self.bucket = bucket
        self.prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self.url = f"s3://{bucket}/{self.prefix}".rstrip("/")
        self._s3 = boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": S3_ATTEMPTS}))

    def _call(self, name: str, key: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._s3, name)(Bucket=self.bucket, Key=self.prefix + key, **arguments)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
                raise ConflictError(
                    f"{self.url}/{key}: changed by somebody else since it was read; read it again and decide anew"
                ) from error
            if code in ("NoSuchKey", "404"):
                raise AbsentError(f"{self.url}/{key}: no such object") from error
            if code in ("InvalidRange", "416"):
                raise AbsentError(
                    f"{self.url}/{key}: ends before the bytes {arguments.get('Range')}; was it replaced?"
                ) from error
            raise StoreError(
                f"{self.url}/{key}: {name} was refused: {code}; check the bucket's name and this role's rights"
            ) from error
        except BotoCoreError as error:
            raise StoreError(f"{self.url}/{key}: {name} failed: {error}; is AWS_ENDPOINT_URL right and the store up?") from error

    def put(self, key: str, whole: bytes) -> None:
        """Write or replace an object."""
        self._call("put_object", key, Body=whole)

    def put_new(self, key: str, whole: bytes) -> None:
        """Write an object that must not exist yet, or exists with these very bytes."""
        try:
            self._call("put_object", key, Body=whole, IfNoneMatch="*")
        except ConflictError:
            # A lost answer looks the same: the object is ours if its bytes are.
            if self.get(key) != whole:
                raise ConflictError(f"{self.url}/{key}: exists with other content") from None

    def put_if(self, key: str, whole: bytes, tag: str | None) -> str:
        """Replace the object only if nobody else did since ``tag`` was read."""
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        return str(self._call("put_object", key, Body=whole, **condition)["ETag"])

    def get(self, key: str) -> bytes:
        """The object; StoreError when there is none."""
        return self.get_tagged(key)[0]

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """Exactly these bytes of an object; AbsentError when it does not have them all."""
        assert offset >= 0
        if length == 0:
            return b""  # HTTP cannot ask for no bytes
        answer = self._call("get_object", key, Range=f"bytes={offset}-{offset + length - 1}")
        return _whole_range(self._body(answer, key), f"{self.url}/{key}", offset, length)

    def _body(self, answer: Any, key: str) -> bytes:
        from botocore.exceptions import BotoCoreError

        try:
            whole: bytes = answer["Body"].read()
        except BotoCoreError as error:  # the connection broke half way
            raise StoreError(f"{self.url}/{key}: could not be read to its end: {error}; run again") from error
        return whole

    def size(self, key: str) -> int:
        """How many bytes the object has; AbsentError when there is none."""
        return int(self._call("head_object", key)["ContentLength"])

    def get_tagged(self, key: str) -> tuple[bytes, str]:
        """The object and the tag that ``put_if`` asks for."""
        answer = self._call("get_object", key)
        return self._body(answer, key), str(answer["ETag"])

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        try:
            self._call("head_object", key)
        except AbsentError:
            return False
        return True

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys that begin with ``prefix``, in order."""
        from botocore.exceptions import BotoCoreError, ClientError

        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix + prefix)
        try:
            for page in pages:
                for found in page.get("Contents", []):
                    yield found["Key"].removeprefix(self.prefix)
        except (BotoCoreError, ClientError) as error:
            raise StoreError(
                f"{self.url}/{prefix}: cannot be listed: {error}; is AWS_ENDPOINT_URL right and the bucket there?"
            ) from error

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens when there is none."""
        self._call("delete_object", key)


def open_store(url: str) -> Store:
    """A store by its address: ``s3://bucket[/prefix]`` or a folder, with or without ``file://``."""
    parts = urlsplit(url)
    if parts.scheme == "s3" and parts.netloc:
        return S3Store(parts.netloc, parts.path)
    if parts.scheme in ("", "file") and parts.path:
        return FolderStore(Path(parts.path))
    raise StoreError(f"{url!r}: not a store; give s3://bucket[/prefix] or a folder")


def put_table(store: Store, key: str, table: pa.Table) -> str:
    """Write a table as Parquet; the same rows give the same bytes. Returns the bytes' sha256."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression=PARQUET_COMPRESSION)
    whole = sink.getvalue().to_pybytes()
    store.put(key, whole)
    return hashlib.sha256(whole).hexdigest()


def get_table(store: Store, key: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table that ``put_table`` wrote, or some columns of it; StoreError when it is no whole Parquet file.

    SchemaError where it has not all of the columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(store.get(key)))
        missing = sorted(set(columns or ()) - set(file.schema_arrow.names))
        if missing:
            raise SchemaError(f"{store.url}/{key}: lacks {', '.join(missing)}; run the job that makes it again")
        return file.read(columns=None if columns is None else list(columns))
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreError(
            f"{store.url}/{key}: not a whole Parquet file: {error}; delete it and run the job that makes it again"
        ) from error


def _read(file: BinaryIO | io.RawIOBase, length: int) -> bytes:
    """As many of ``length`` bytes as the file has; one read may give fewer."""
    parts: list[bytes] = []
    while length and (part := file.read(min(length, READ_BYTES))):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _whole_range(part: bytes, where: str, offset: int, length: int) -> bytes:
    if len(part) != length:
        raise AbsentError(f"{where}: gave {len(part)} of the {length} bytes from {offset} on; was it replaced or cut?")
    return part


def _digest(whole: bytes) -> str:
    return hashlib.sha256(whole).hexdigest()
