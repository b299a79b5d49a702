"""Files under other names for one process alone, such as a host in /etc/hosts."""

from collections.abc import Mapping
from pathlib import Path

MOUNTS = ("--mount", "--propagation", "unchanged")
"""For unshare(1), which else makes all mounts private: that fails in a root that is no mount of its own."""

_PRIVATE = "mount --make-rprivate / 2>/dev/null; ! grep -q ' shared:' /proc/self/mountinfo || exit 9; "


def bind(files: Mapping[str, Path]) -> str:
    """Shell words that put files under the names they shall have; for a mount namespace made with MOUNTS, and only there."""
    return (_PRIVATE if files else "") + "".join(f"mount --bind {file} {name}; " for name, file in files.items())
