"""Everything that running leaves behind is below .local, but what root's PostgreSQL may not reach."""

import os
from pathlib import Path

from weir.site.places import Places


def test_all_but_the_database_is_below_local():
    places = Places(Path("/home/ada/weir"))
    inside = (
        places.logs,
        places.run,
        places.airflow,
        places.aws,
        places.spool,
        places.outbox,
        places.reports,
        places.cache,
        places.training,
    )
    assert all(folder.is_relative_to("/home/ada/weir/.local") for folder in inside)


def test_root_keeps_the_database_where_its_server_may_enter(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    places = Places(Path("/root/weir"))
    assert places.database.is_relative_to("/var/lib/weir")
    assert places.database != Places(Path("/root/other")).database


def test_a_user_keeps_the_database_in_the_checkout(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert Places(Path("/home/ada/weir")).database.is_relative_to("/home/ada/weir/.local")


def test_a_deep_checkout_gets_a_socket_path_that_the_kernel_takes(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    deep = Places(Path("/home/ada") / ("very-long-name/" * 8) / "weir")
    assert len(str(deep.sockets / ".s.PGSQL.5432.lock")) < 107
