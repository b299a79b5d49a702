"""When the world fails, bin/setup says what it means and what to do, and leaves nothing running."""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
NEEDED = ("bin/setup", "infra/uv-requirements.txt", "include/weir/site/guard.py")
NOWHERE = "http://127.0.0.1:9/"  # the discard port, where nobody listens


@pytest.fixture
def copy(tmp_path):
    """A checkout with nothing installed, and only what setup itself reads."""
    for name in NEEDED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, tmp_path / name)
    return tmp_path


def environment(copy: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1", **more}


def command(copy: Path, name: str, script: str) -> dict[str, str]:
    """The environment in which ``name`` is this script."""
    folder = copy / "stand-ins"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return environment(copy, PATH=f"{folder}:{os.environ['PATH']}")


def setup(copy: Path, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([copy / "bin" / "setup", *arguments], env=env, capture_output=True, text=True, check=False)


def test_without_a_network_it_says_so(copy):
    ended = setup(copy, environment(copy, PIP_INDEX_URL=NOWHERE))
    assert ended.returncode == 1
    assert "could not install uv" in ended.stderr
    assert "the network or a package source cannot be reached" in ended.stderr
    assert "start again" in ended.stderr


def test_a_package_source_that_cannot_be_reached_is_named(copy):
    env = command(copy, "dpkg-query", "echo not-installed")
    env = command(copy, "apt-get", "echo \"Err:1 Temporary failure resolving 'deb.example'\"; exit 100")
    env = command(copy, "dpkg", "exit 0") if os.geteuid() == 0 else command(copy, "sudo", "exec apt-get")
    ended = setup(copy, env)
    assert ended.returncode == 1
    assert "the network or a package source cannot be reached" in ended.stderr
    assert "Temporary failure resolving" in ended.stderr


def test_without_room_on_the_disk_it_does_not_even_begin(copy):
    ended = setup(copy, command(copy, "df", "echo Avail; echo 12"))
    assert ended.returncode == 1
    assert "only 12 MB of disk are free" in ended.stderr
    assert not (copy / ".local" / "uv").exists()


def test_a_disk_that_fills_up_on_the_way_is_named(copy):
    env = command(copy, "dpkg-query", "echo not-installed")
    env = command(copy, "apt-get", "echo 'E: You do not have enough free space: No space left on device'; exit 100")
    env = command(copy, "dpkg", "exit 0") if os.geteuid() == 0 else command(copy, "sudo", "exec apt-get")
    assert "the disk is full" in setup(copy, env).stderr


def test_on_another_system_than_debian_it_says_so(copy):
    folder = copy / "only"
    folder.mkdir()
    for name in ("bash", "dirname", "mkdir", "flock", "grep", "df", "tail", "tr", "printf", "id"):
        (folder / name).symlink_to(shutil.which(name))
    env = {**environment(copy), "PATH": str(folder)}
    ended = subprocess.run([folder / "bash", copy / "bin" / "setup"], env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "this is no Debian" in ended.stderr


def test_an_unknown_option_shows_how_it_is_called(copy):
    ended = setup(copy, environment(copy), "--everything")
    assert ended.returncode == 2
    assert "bin/setup --tests" in ended.stdout


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_ended_in_the_middle_of_a_step_it_leaves_nothing_running(copy, wait_until, number):
    def below() -> list[str]:
        """Commands of the processes that work in this copy."""
        found = []
        for process in Path("/proc").iterdir():
            try:
                if process.name.isdigit() and Path(process / "cwd").readlink() == copy:
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found

    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes the connection and never answers
        env = environment(copy, PIP_INDEX_URL=f"http://127.0.0.1:{deaf.getsockname()[1]}/simple")
        running = subprocess.Popen(
            [copy / "bin" / "setup"], cwd=copy, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        connection, _ = deaf.accept()
        running.send_signal(number)
        running.wait()
        wait_until(lambda: not below(), f"nothing runs any more, but {below()}")
        connection.close()


def test_what_was_installed_is_not_touched_again(copy):
    """Every stamp is right, so nothing is run; the stand-in for uv would fail."""
    for name in ("infra/local-aws/requirements.txt", "pyproject.toml", "uv.lock"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, copy / name)
    for folder in ("capture_cpp/src", "capture_cpp/python"):
        (copy / folder).mkdir(parents=True)
        (copy / folder / "one.cc").touch()
    uv = copy / ".local" / "uv" / "bin" / "uv"
    first = setup(copy, environment(copy, PIP_INDEX_URL=NOWHERE))
    assert "could not install uv" in first.stderr
    uv.parent.mkdir(parents=True, exist_ok=True)
    uv.write_text("#!/bin/sh\nexit 0\n")
    uv.chmod(0o755)
    stamp = "find infra/uv-requirements.txt -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-32"
    (copy / ".local" / "stamps" / "uv").write_text(subprocess.check_output(["bash", "-c", stamp], cwd=copy, text=True).strip())
    env = command(copy, "cmake", "exit 0")
    once = setup(copy, env)
    assert (once.returncode, once.stdout.count("(")) == (0, 3), once
    again = setup(copy, env)
    assert (again.returncode, again.stdout) == (0, "")
