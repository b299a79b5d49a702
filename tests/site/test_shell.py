"""Another shell that reads the site's file asks the site, and nothing else."""

import os
import subprocess
import sys

import pytest

from weir.site import aws, shell
from weir.site.places import Places
from weir.site.ports import Ports


def said(places: Places, command: str) -> str:
    """What a shell prints in which somebody read the file; the settings of this process are not its own."""
    script = f'set -eu; . "{places.shell}"; {command}'
    env = {name: os.environ[name] for name in ("HOME", "PATH")}
    return subprocess.run(["bash", "-c", script], env=env, cwd=places.home, capture_output=True, text=True, check=True).stdout


def test_the_file_holds_the_sites_settings_but_no_password_and_goes_with_the_site(places: Places) -> None:
    env = {"WEIR_STORE": "s3://a b's", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AIRFLOW__SECRET": "hidden", "HOME": "/nobody"}
    with shell.offered(places, env):
        assert said(places, 'echo "$WEIR_STORE" "$AWS_ENDPOINT_URL"') == "s3://a b's http://127.0.0.1:1\n"
        assert said(places, 'echo "${PATH%%:*}"') == f"{places.home}/.venv/bin\n"
        assert "hidden" not in places.shell.read_text()
        assert "/nobody" not in places.shell.read_text()
    assert not places.shell.exists()


def test_weir_in_another_shell_reads_the_store_of_the_site(places: Places, stand_in: Ports) -> None:
    (places.home / ".venv").symlink_to(sys.prefix)
    aws.client("s3", stand_in).put_object(Bucket=aws.BUCKET, Key="6_alerts/none/2026-01-31T09.json", Body=b"[]")
    env = {**aws.client_env(stand_in), "WEIR_STORE": f"s3://{aws.BUCKET}"}
    with shell.offered(places, env), pytest.raises(subprocess.CalledProcessError) as refused:
        said(places, "weir packets --alert ffff -o alert.pcap")
    assert f"s3://{aws.BUCKET}/6_alerts/: no alert 'ffff'" in refused.value.stderr
