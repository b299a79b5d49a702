"""Segments in folders of this machine: a sensor's spool, a copy of it, or a store that is a folder."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from pathlib import Path

from weir.errors import CaptureError
from weir.packets.find import Segment
from weir.packets.manifest import MANIFEST_SUFFIX, SEGMENT_SUFFIX, STEM, Manifest
from weir.packets.spool import REFUSED

_STORED = re.compile(r"[0-9a-f]{64}(-[0-9a-f]{16}-[0-9]{6,})?")  # the name of a segment in the store


def segments(paths: Sequence[Path]) -> tuple[list[Segment], list[str]]:
    """All segments below some folders, or named themselves; and what is missing, in sentences.

    Left out are hidden files, links, what is no regular file, and what was set aside in ``refused/``. Raises CaptureError
    where a path is not there, or nothing is below it.
    """
    found: dict[Path, Segment] = {}
    missing = []
    for path in paths:
        whole, without = _of_folder(path) if path.is_dir() else ([_of_file(path)], [])
        if not whole and not without:
            raise CaptureError(
                f"{path}: no segments (*{SEGMENT_SUFFIX}) below it; give a spool, or a folder with copies of segments"
            )
        found.update(whole)
        missing += [f"{one}: its segment is not here; was it collected meanwhile?" for one in without]
    return list(found.values()), missing


def _of_folder(folder: Path) -> tuple[list[tuple[Path, Segment]], list[Path]]:
    below = (path for path in folder.rglob("*") if _is_visible(path.relative_to(folder)))
    files = sorted(path for path in below if path.is_file() and not path.is_symlink())
    whole = [_of_file(path) for path in files if path.name.endswith(SEGMENT_SUFFIX)]
    names = {path for path, _ in whole}
    manifests = [path for path in files if path.suffix == MANIFEST_SUFFIX and _is_stem(path.stem)]
    return whole, [path for path in manifests if path.with_suffix(SEGMENT_SUFFIX).resolve() not in names]


def _is_visible(inside: Path) -> bool:
    return not any(part.startswith(".") or part == REFUSED for part in inside.parts)


def _is_stem(text: str) -> bool:
    return bool(STEM.fullmatch(text) or _STORED.fullmatch(text))


def _of_file(path: Path) -> tuple[Path, Segment]:
    if not path.name.endswith(SEGMENT_SUFFIX):
        raise CaptureError(f"{path}: is no segment and no folder of segments; give a spool, or NAME{SEGMENT_SUFFIX}")
    try:
        facts = path.stat()
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}; no such segment is here") from error
    if not stat.S_ISREG(facts.st_mode):
        raise CaptureError(f"{path}: is no regular file; copy what it gives into one")
    size = facts.st_size
    manifest, why_not = _manifest(path.with_name(path.name.removesuffix(SEGMENT_SUFFIX) + MANIFEST_SUFFIX))
    if manifest and not _is_of(manifest, path.name, size):
        why_not, manifest = f"all of it is read, as the manifest beside it is that of {manifest.file}", None

    def fetch(offset: int, length: int) -> bytes:
        try:
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(min(length, size))  # a manifest may claim anything
        except OSError as error:
            raise CaptureError(f"{path}: cannot be read: {error.strerror}; was it collected meanwhile?") from error

    return path.resolve(), Segment(str(path), size, fetch, manifest, why_not)


def _is_of(manifest: Manifest, name: str, size: int) -> bool:
    """Whether a manifest is a segment's own: somebody may have renamed both, or cut the segment, but not both."""
    return manifest.file == name or name.startswith(manifest.sha256) or manifest.file_bytes == size


def _manifest(path: Path) -> tuple[Manifest | None, str]:
    """A manifest, or why there is none."""
    if not path.is_file():
        return None, "there is no manifest beside it, so all of it is read"
    try:
        return Manifest.read(path), ""
    except CaptureError as error:
        return None, f"all of it is read, as its manifest cannot be believed: {error}"
