"""The folder in which a sensor's segments wait to be collected.

A segment is there once its manifest is: the sensor renames the manifest last. What is collected is
acknowledged by naming its sha256, and only then leaves the folder. What cannot be believed is set
aside in ``refused/`` with the reason beside it, and never deleted.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from weir.errors import CaptureError
from weir.packets.manifest import ACK_SUFFIX, MANIFEST_SUFFIX, SEGMENT_SUFFIX, STEM, Manifest

REFUSED = "refused"


def sealed(spool: Path) -> list[Path]:
    """Manifests that wait, those of one sensor in the order it sealed them.

    Left out: files under construction, files of others, and what was acknowledged already, by its digest.
    """
    found = []
    for path in _files(spool):
        stem = STEM.fullmatch(path.name.removesuffix(MANIFEST_SUFFIX))
        if stem and path.name.endswith(MANIFEST_SUFFIX) and not _is_acknowledged(path):
            found.append((stem["sensor"], stem["boot"], int(stem["seq"]), path))
    return [path for *_, path in sorted(found)]


def foreign(spool: Path) -> list[Path]:
    """Visible files that no sensor makes; a job may set them aside, so that they are seen."""
    ours = (SEGMENT_SUFFIX, MANIFEST_SUFFIX, ACK_SUFFIX)
    return [path for path in _files(spool) if not any(_is_ours(path.name, suffix) for suffix in ours)]


def read(manifest_path: Path) -> tuple[Manifest, bytes]:
    """A manifest and the bytes of its segment.

    Raises CaptureError where one of the two is no regular file, or the manifest is unsound, belongs to
    another file, or names a sha256 that the bytes do not have.
    """
    _refuse_irregular(manifest_path)
    manifest = Manifest.read(manifest_path)
    segment = _sibling(manifest_path, SEGMENT_SUFFIX)
    if manifest.file != segment.name:
        raise CaptureError(f"{manifest_path}: speaks of {manifest.file}, not of {segment.name}; set it aside")
    _refuse_irregular(segment)
    try:
        whole = segment.read_bytes()
    except OSError as error:
        raise CaptureError(f"{segment}: cannot be read: {error.strerror}; its manifest promises it, set it aside") from error
    digest = hashlib.sha256(whole).hexdigest()
    if digest != manifest.sha256:
        promised = f"promised were {manifest.file_bytes} with {manifest.sha256}"
        raise CaptureError(f"{segment}: {len(whole)} bytes with sha256 {digest}, {promised}; set it aside")
    return manifest, whole


def acknowledge(manifest_path: Path, sha256: str) -> None:
    """Say that the segment with this ``sha256`` is safe elsewhere, and take it out of the spool.

    The acknowledgement is on the disk before anything is removed. Saying it twice does no harm, nor
    of a segment that the sensor dropped meanwhile; CaptureError where the manifest names another sha256.
    """
    ack = _sibling(manifest_path, ACK_SUFFIX)
    if _acknowledged(ack) != sha256:
        try:
            promised = Manifest.read(manifest_path).sha256
        except CaptureError:
            if is_gone(manifest_path):
                return
            raise
        if promised != sha256:
            raise CaptureError(f"{manifest_path}: acknowledged was {sha256}, but its segment is {promised}; collect it again")
        if ack.is_dir():
            set_aside(ack, "is a folder, not an acknowledgement")
        _write(ack, json.dumps({"sha256": sha256}).encode() + b"\n")
    manifest_path.unlink(missing_ok=True)
    _sibling(manifest_path, SEGMENT_SUFFIX).unlink(missing_ok=True)
    _flush_folder(manifest_path.parent)


def is_gone(manifest_path: Path) -> bool:
    """Whether a segment left the spool: it was acknowledged, or the sensor dropped it, which removes the manifest first."""
    return not _is_there(manifest_path)


def set_aside(path: Path, reason: str) -> Path | None:
    """Move a manifest and its segment, or any other file, to ``refused/``; returns where it is now, None where it is gone.

    ``reason`` is written beside it, as one line. Nothing that lies there is overwritten.
    """
    refused = path.parent / REFUSED
    refused.mkdir(exist_ok=True)
    segment = _sibling(path, SEGMENT_SUFFIX)
    target = _free(refused / path.name)
    words = target.with_name(target.name + ".reason")
    _write(words, " ".join(reason.split()).encode() + b"\n")
    try:
        if path.name.endswith(MANIFEST_SUFFIX) and _is_there(segment):
            segment.rename(_free(refused / segment.name))
        path.rename(target)
    except FileNotFoundError:  # the sensor dropped it meanwhile
        words.unlink()
        return None
    _flush_folder(refused)
    _flush_folder(path.parent)
    return target


def _is_acknowledged(manifest_path: Path) -> bool:
    """Whether the acknowledgement beside a manifest is of its segment; another one says nothing of it."""
    stored = _acknowledged(_sibling(manifest_path, ACK_SUFFIX))
    if not stored:
        return False
    try:
        return Manifest.read(manifest_path).sha256 == stored
    except CaptureError:  # is refused, with this reason, when it is collected
        return False


def _acknowledged(ack: Path) -> str:
    """The sha256 that an acknowledgement names; empty where there is none, or it cannot be believed."""
    if ack.is_symlink() or not ack.is_file():
        return ""
    try:
        said = json.loads(ack.read_bytes())
    except (OSError, ValueError, RecursionError):
        return ""
    stored = said.get("sha256") if isinstance(said, dict) else None
    return stored if isinstance(stored, str) else ""


def _files(spool: Path) -> list[Path]:
    try:
        visible = sorted(path for path in spool.iterdir() if not path.name.startswith("."))
        return [path for path in visible if path.is_symlink() or not path.is_dir()]
    except OSError as error:
        raise CaptureError(f"spool {spool}: {error.strerror}; give the folder that weir-capture --spool names") from error


def _is_ours(name: str, suffix: str) -> bool:
    return name.endswith(suffix) and STEM.fullmatch(name.removesuffix(suffix)) is not None


def _sibling(manifest_path: Path, suffix: str) -> Path:
    return manifest_path.with_name(manifest_path.name.removesuffix(MANIFEST_SUFFIX) + suffix)


def _is_there(path: Path) -> bool:
    """Whether the folder has this name, be it that of a link to nowhere."""
    return path.exists() or path.is_symlink()


def _refuse_irregular(path: Path) -> None:
    """A link leads elsewhere, and a pipe would be waited for without end; what is gone is for the reader to name."""
    if path.is_symlink():
        raise CaptureError(f"{path}: is a link, which no sensor makes; set it aside")
    if path.exists() and not path.is_file():
        raise CaptureError(f"{path}: is no regular file, which no sensor makes; set it aside")


def _free(path: Path) -> Path:
    number = 0
    while _is_there(path):
        number += 1
        path = path.with_name(f"{path.name.removesuffix(f'.{number - 1}')}.{number}")
    return path


def _write(path: Path, whole: bytes) -> None:
    hidden = path.with_name("." + path.name)
    with hidden.open("wb") as out:
        out.write(whole)
        out.flush()
        os.fsync(out.fileno())
    hidden.rename(path)
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
