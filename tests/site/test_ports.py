"""A taken port is named, with who holds it and which variable changes it."""

import os
import socket

import pytest

from weir.errors import SettingsError, SiteError
from weir.site import ports
from weir.site.ports import HOST, Ports


@pytest.fixture
def taken():
    """Ports of which the second is held by this very process."""
    with socket.create_server((HOST, 0)) as server:
        yield Ports(server.getsockname()[1] - 1)


def test_ports_are_three_neighbours_of_the_variable():
    chosen = ports.read({"WEIR_PORTS": "31000"})
    assert (chosen.airflow, chosen.aws, chosen.mail) == (31000, 31001, 31002)


def test_without_the_variable_the_defaults_hold():
    assert ports.read({}) == ports.read({"WEIR_PORTS": ""}) == Ports()


@pytest.mark.parametrize("text", ["80", "65534", "-1", "eight", "28600.0"])
def test_what_is_no_port_is_refused_by_the_name_of_its_variable(text):
    with pytest.raises(SettingsError, match="WEIR_PORTS"):
        ports.read({"WEIR_PORTS": text})


def test_a_taken_port_is_named_with_its_holder_and_the_way_out(taken):
    with pytest.raises(SiteError) as refused:
        ports.check_free(taken)
    words = str(refused.value)
    assert f"port {taken.aws} for the AWS stand-in is taken by" in words
    assert f"(pid {os.getpid()})" in words
    assert f"WEIR_PORTS={taken.first + ports.STEP} bin/demo" in words


def test_a_port_that_only_waits_for_old_connections_is_free():
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((HOST, port)) as client, server.accept()[0] as served:
            served.shutdown(socket.SHUT_RDWR)
            client.recv(1)
    assert ports.is_free(port)
