"""Other programs that make flows, installed where they disturb nothing: under build/bench.

Debian's packages are unpacked there, not installed, so that no service of theirs starts; Python ones get environments of
their own, from lists with hashes. What cannot be had is named as absent.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from processes import AbsentError, as_users_have_it

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "build" / "bench" / "peers"
REQUIREMENTS = Path(__file__).with_name("requirements")
DEBIAN = {
    **{"nfpcapd": "nfdump", "nfdump": "nfdump", "softflowd": "softflowd", "argus": "argus-server"},
    **{"valgrind": "valgrind", "tcpdump": "tcpdump", "ip": "iproute2"},
}
FOLDERS = ("usr/sbin", "usr/bin", "sbin", "bin")
IDLE_S, ACTIVE_S = 120, 1_800
MOST_FLOWS = 20_000_000
NOBODY = "127.0.0.1:29995"  # softflowd has to send its flows somewhere

AS_SHIPPED = 20  # packets that nfstream shows to nDPI, unless told otherwise
NFSTREAM = """
import sys
from nfstream import NFStreamer

if __name__ == "__main__":  # it starts processes that read this again
    flows = NFStreamer(source=sys.argv[1], n_dissections=int(sys.argv[3]), statistical_analysis=True, n_meters=1).to_pandas()
    flows.to_parquet(sys.argv[2], compression="zstd", index=False)
    print(len(flows), int(flows["bidirectional_packets"].sum()), len(flows.columns))
"""


class Peer(NamedTuple):
    """A program that is there: its version, how it is called, and how to see that it did its work.

    ``found`` takes what it said and the folder that it wrote to, and gives packets or flows; 0 is no work.
    """

    name: str
    version: str
    command: Callable[[Path, Path], list[object]]
    found: Callable[[str, Path], int]


def environment() -> dict[str, str]:
    """What programs are started with: the libraries that were unpacked beside them, too."""
    libraries = [str(folder) for folder in (PLACE / "root/usr/lib").glob("*-linux-gnu")]
    folders = [str(PLACE / "root" / folder) for folder in FOLDERS]
    ours = {"PATH": ":".join([os.environ.get("PATH", ""), *folders])}
    ours |= {"LD_LIBRARY_PATH": ":".join([*libraries, os.environ.get("LD_LIBRARY_PATH", "")]).strip(":")}
    if (tools := PLACE / "root/usr/libexec/valgrind").exists():
        ours["VALGRIND_LIB"] = str(tools)
    return as_users_have_it() | ours


def quiet(*command: object) -> str:
    """Run a step of an installation."""
    done = subprocess.run([str(part) for part in command], cwd=PLACE, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        raise AbsentError(f"{Path(str(command[0])).name} failed: {lines[-1]}")
    return done.stdout


def debian(program: str) -> Path:
    """A program of Debian: the installed one, or its package unpacked with whatever it needs and is not there."""
    here = found(program)
    if here is None:
        unpack(DEBIAN[program])
        here = found(program)
    if here is None:
        raise AbsentError(f"Debian's package {DEBIAN[program]} has no {program}")
    return here


def found(program: str) -> Path | None:
    """Where a program is."""
    folders = [str(PLACE / "root" / folder) for folder in FOLDERS]
    installed = shutil.which(program, path=":".join([*folders, os.environ.get("PATH", ""), "/usr/sbin"]))
    return Path(installed) if installed else None


def unpack(package: str) -> None:
    """Bring in a package of Debian without installing it."""
    if not shutil.which("apt-get"):
        raise AbsentError("there is no apt-get here")
    PLACE.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0 and not any(Path("/var/lib/apt/lists").glob("*Packages*")):
        quiet("apt-get", "update")
    listed = quiet("apt-get", "install", "--print-uris", "-qq", "--no-install-recommends", package)
    for name in re.findall(r"' (\S+?)_\S+\.deb ", listed):
        quiet("apt-get", "download", name)
    for archive in PLACE.glob("*.deb"):
        quiet("dpkg", "-x", archive, PLACE / "root")


def python(name: str) -> Path:
    """The folder of programs of a Python environment made from its list."""
    folder, wanted = PLACE / name, REQUIREMENTS / f"{name}.txt"
    stamp = folder / "requirements.txt"
    if not stamp.exists() or stamp.read_bytes() != wanted.read_bytes():
        PLACE.mkdir(parents=True, exist_ok=True)
        uv = ROOT / ".local" / "uv" / "bin" / "uv"
        quiet(uv, "venv", "--clear", "--python", "/usr/bin/python3", folder)
        quiet(uv, "pip", "sync", "--python", folder / "bin" / "python", "--require-hashes", wanted)
        stamp.write_bytes(wanted.read_bytes())
    return folder / "bin"


def pinned(name: str, package: str) -> str:
    """The version that a list asks for."""
    found = re.search(rf"^{package}==(\S+)", (REQUIREMENTS / f"{name}.txt").read_text(), re.MULTILINE)
    assert found, f"{name}.txt does not name {package}"
    return found[1]


def version_of(program: Path, *question: str) -> str:
    """The first number with dots that a program says of itself."""
    done = subprocess.run([program, *question], capture_output=True, text=True, env=environment(), stdin=subprocess.DEVNULL)
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else "of unknown version"


def nfstream(dissections: int = 0) -> Peer:
    """Flows with 48 statistics, to pandas, to Parquet; nDPI looks at the payload of as many packets of each."""
    program = python("nfstream") / "python"
    script = PLACE / "nfstream.py_"
    script.write_text(NFSTREAM)
    return Peer(
        "nfstream",
        pinned("nfstream", "nfstream"),
        lambda capture, out: [program, script, capture, out / "nfstream.parquet", dissections],
        lambda said, _: int(said.split()[-2]),
    )


def nfstream_ndpi() -> Peer:
    """The same with dissection, as it is shipped."""
    return nfstream(AS_SHIPPED)._replace(name="nfstream with nDPI")


def cicflowmeter() -> Peer:
    """The columns of CICFlowMeter, to CSV. With a newer scapy it writes none, and reports success."""
    debian("tcpdump")  # scapy asks it to compile its filter; without one, the table is empty too
    program = python("cicflowmeter") / "cicflowmeter"
    return Peer(
        "cicflowmeter",
        f"{pinned('cicflowmeter', 'cicflowmeter')} with scapy {pinned('cicflowmeter', 'scapy')}",
        lambda capture, out: [program, "-f", capture, "-c", out / "cicflowmeter.csv"],
        lambda _, out: (out / "cicflowmeter.csv").read_bytes().count(b"\n") - 1,
    )


def nfpcapd() -> Peer:
    """One-way flows with packets, bytes and flags."""
    program, reader = debian("nfpcapd"), debian("nfdump")

    def packets(_: str, out: Path) -> int:
        told = subprocess.run([reader, "-R", out, "-I"], capture_output=True, text=True, env=environment(), check=True).stdout
        return sum(map(int, re.findall(r"^Packets: (\d+)", told, re.MULTILINE)))

    timeouts = f"{ACTIVE_S},{IDLE_S}"
    return Peer(
        "nfpcapd", version_of(program, "-V"), lambda capture, out: [program, "-r", capture, "-w", out, "-e", timeouts], packets
    )


def softflowd() -> Peer:
    """Counters of one-way flows, sent as NetFlow 9 (version 5 would leave IPv6 out)."""
    program = debian("softflowd")
    options = ["-d", "-v", 9, "-m", MOST_FLOWS, "-c", "none", "-n", NOBODY]
    return Peer(
        "softflowd",
        version_of(program, "-h"),
        lambda capture, out: [program, *options, "-p", out / "softflowd.pid", "-r", capture],
        lambda said, _: sum(map(int, re.findall(r"Packets processed: (\d+)", said))),
    )


def argus() -> Peer:
    """Status records of two-way flows."""
    program = debian("argus")
    return Peer(
        "argus",
        version_of(program, "-h"),
        lambda capture, out: [program, "-X", "-r", capture, "-w", out / "argus.out"],
        lambda _, out: (out / "argus.out").stat().st_size,
    )


PEERS = {peer.__name__: peer for peer in (nfstream, cicflowmeter, nfpcapd, softflowd, argus)}
VARIANTS = {nfstream_ndpi.__name__: nfstream_ndpi}


def get(name: str) -> Peer:
    """A peer, installed when it was not there yet.

    Raises
    ------
    AbsentError
        it cannot be had; says why
    """
    try:
        return (PEERS | VARIANTS)[name]()
    except (OSError, subprocess.SubprocessError) as error:
        raise AbsentError(f"{name}: {error}") from error
