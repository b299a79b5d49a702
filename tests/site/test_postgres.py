"""A private database that is quick to make anew."""

import os
import stat

import pytest

from weir.site import postgres
from weir.site.processes import Services


@pytest.fixture
def server(places):
    postgres.prepare(places)
    with Services(places) as services:
        services.start(postgres.service(places, dict(os.environ)))
        services.wait("PostgreSQL", lambda: postgres.is_ready(places), 60, lambda words: None)
        yield places


def tables(places, address: str) -> list[str]:
    import psycopg2

    connection = psycopg2.connect(address.replace("+psycopg2", ""))
    with connection, connection.cursor() as run:
        run.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        found = [name for (name,) in run.fetchall()]
    connection.close()
    return found


def run_sql(address: str, statement: str) -> None:
    import psycopg2

    connection = psycopg2.connect(address.replace("+psycopg2", ""))
    with connection, connection.cursor() as run:
        run.execute(statement)
    connection.close()


def test_tables_are_made_once_and_each_start_is_empty_again(server):
    asked = []

    def migrate(address: str) -> None:
        asked.append(address)
        run_sql(address, "CREATE TABLE made_once (n int)")

    first = postgres.fresh(server, "1.0", migrate)
    run_sql(first, "CREATE TABLE left_behind (n int)")
    assert tables(server, postgres.fresh(server, "1.0", migrate)) == ["made_once"]
    assert len(asked) == 1
    postgres.fresh(server, "2.0", migrate)
    assert len(asked) == 2


def test_a_migration_that_broke_off_is_done_again(server):
    def broken(address: str) -> None:
        run_sql(address, "CREATE TABLE half (n int)")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        postgres.fresh(server, "1.0", broken)
    address = postgres.fresh(server, "1.0", lambda url: run_sql(url, "CREATE TABLE whole (n int)"))
    assert tables(server, address) == ["whole"]


def test_nobody_else_may_enter_the_folder_of_the_socket(server):
    assert stat.S_IMODE(server.sockets.stat().st_mode) == 0o700


def test_it_listens_on_no_port(server):
    with postgres.connected(server) as run:
        run.execute("SHOW listen_addresses")
        assert run.fetchone() == ("",)


def test_what_a_broken_start_left_of_the_folder_is_made_anew(places):
    half = places.database.with_name("postgres.half-made")
    half.mkdir(parents=True)
    (half / "junk").touch()
    postgres.prepare(places)
    assert (places.database / "PG_VERSION").exists()
    assert not half.exists()
