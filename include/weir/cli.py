"""The command line: one verb per step, data on stdout, talk on stderr.

Every verb takes ``--json`` for programs. Exit codes come from the error tree (``weir.errors``).
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

import typer

from weir.errors import CaptureError, SettingsError, StoreError, WeirError
from weir.words import moment, plural

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="From packets to reports, one verb per step.\n\nExample: weir flows office.pcap --out office.parquet",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")]
Unit = Annotated[
    str | None, typer.Option(help="Sensor and capture hour, such as lab/2026-01-31T09; default: every one in the store.")
]


def main() -> None:
    """Run the command line; a WeirError becomes its message and its exit code."""
    os.environ.setdefault("DO_NOT_TRACK", "1")  # no library of ours tells anybody what is done here
    signal.signal(signal.SIGTERM, _stop)
    try:
        app()
    except WeirError as error:
        print(f"weir: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def _stop(number: int, _frame: object) -> None:
    """End as after an error, so that nothing half written stays; the exit code is a shell's for the signal."""
    raise SystemExit(128 + number)


def _tune_for_captures() -> None:
    """What makes a start quick, and what pyarrow and NumPy read from the environment when they are loaded."""
    gc.set_threshold(100_000)  # a tenth of the start went into looking for garbage among modules being loaded
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # starting its threads costs 0.05 s, and they have no work
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # mimalloc gives pages back and clears them anew: a tenth more


def say(facts: Any, as_json: bool, to: TextIO | None = None) -> None:
    """Print what a job returned: one JSON object, or one ``name: value`` line a fact."""
    if as_json:
        print(json.dumps(facts, sort_keys=True), file=to)
        return
    for name, value in facts.items():
        print(f"{name}: {value if not isinstance(value, dict | list) else json.dumps(value)}", file=to)


def each(verb: str, names: Iterable[str], job: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Run a job for every name with a progress bar on stderr; the results by name."""
    from rich.console import Console
    from rich.progress import track

    todo = list(names)
    console = Console(stderr=True)
    return {name: job(name) for name in track(todo, description=verb, console=console, disable=not console.is_terminal)}


def _all_or(unit: str | None, prefix: str) -> list[str]:
    from weir import jobs

    return [unit] if unit else jobs.units(prefix)


@app.command()
def collect(as_json: AsJson = False) -> None:
    """Bring sealed segments from the spool into the store.

    Example: WEIR_SPOOL=/var/spool/weir WEIR_STORE=s3://weir weir collect
    """
    from weir import jobs

    say(jobs.collect(jobs.waiting()), as_json)


@app.command()
def packets(
    places: Annotated[
        list[Path] | None, typer.Argument(help="Spools, folders of segments, or segments; default: the store.")
    ] = None,
    host: Annotated[list[str] | None, typer.Option(help="An address, as source or destination; give two for both sides.")] = None,
    port: Annotated[list[int] | None, typer.Option(help="A TCP, UDP or SCTP port, as source or destination.")] = None,
    protocol: Annotated[str | None, typer.Option(help="tcp, udp, icmp, icmp6, sctp, gre, esp, arp, or a number.")] = None,
    flow: Annotated[
        tuple[str, str, int, str, int] | None,
        typer.Option(help="A 5-tuple, either way.", metavar="PROTOCOL ADDRESS PORT ADDRESS PORT"),
    ] = None,
    one_way: Annotated[bool, typer.Option("--one-way", help="Of --flow, only packets from the first address.")] = False,
    community_id: Annotated[str | None, typer.Option(help="A Community ID v1, as in the flows and in Zeek.")] = None,
    alert: Annotated[str | None, typer.Option(help="An alert's id: the packets of the flows it shows as evidence.")] = None,
    start: Annotated[str | None, typer.Option(help="Not before this time, such as 2026-01-31T09:15:00.25, UTC.")] = None,
    end: Annotated[str | None, typer.Option(help="Not after this time.")] = None,
    sensor: Annotated[str, typer.Option(help="Only what this sensor saw.")] = "",
    link_type: Annotated[int | None, typer.Option(help="Only packets of this LINKTYPE, where there are several.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N.", min=1, max=sys.maxsize)] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Read whole segments and check their sha256.")] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="pcap file to write; - is standard output.")] = Path("-"),
    as_json: AsJson = False,
) -> None:
    """Find packets again and write them as one pcap, reading only what the segments' indexes name.

    All conditions must hold for one header of a packet, the outermost or one inside a tunnel. With --out -, the account
    of what was read goes to standard error. Exits with 6 when a segment, or a part of one, is damaged, or missing
    though its manifest is there; it is named under damaged and the rest is delivered. A segment whose manifest is missing
    or cannot be believed is read whole and named under read_whole; that alone exits with 0.

    Example: weir packets --host 10.0.0.5 --start 2026-01-31T09:00 --end 2026-01-31T09:05 | tcpdump -n -r -
    """
    from weir import jobs

    is_stream = str(out) == "-"
    if is_stream and sys.stdout.isatty():
        raise SettingsError("packets: a pcap is nothing for a terminal; name a file with --out, or pipe it into tcpdump -r -")
    query = jobs.packet_query(
        hosts=host or (),
        ports=port or (),
        protocol=protocol,
        flow=flow,
        is_one_way=one_way,
        community_id=community_id,
        start=start,
        end=end,
    )
    try:
        found = jobs.find_packets(
            query,
            sys.stdout.buffer if is_stream else out,
            alert_id=alert or "",
            places=places or (),
            sensor=sensor,
            link_type=link_type,
            limit=limit,
            verify=verify,
        )
    except (BrokenPipeError, StoreError) as error:
        if is_stream:  # what is still to be written is not tried again at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # whoever reads has enough, such as tcpdump -c 5
            return
        raise
    say(found, as_json, sys.stderr if is_stream else sys.stdout)
    if found["damaged"]:
        raise CaptureError(
            f"packets: {plural(len(found['damaged']), 'part')} could not be read, see damaged; all others were delivered"
        )


@app.command()
def flows(
    captures: Annotated[
        list[Path] | None, typer.Argument(help="pcap or pcapng files, plain, gz or zst, read as one stream.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Parquet file to write.")] = None,
    unit: Unit = None,
    snapshot: Annotated[Path | None, typer.Option(help="Bring the flows of a training snapshot into the store.")] = None,
    as_json: AsJson = False,
) -> None:
    """Build flows: of captures into a Parquet file, or of the segments in the store.

    A capture that cannot be read ends it and leaves no file; one that ends inside a record is taken as far as it goes.

    Example: weir flows monday.pcap tuesday.pcap.gz --out week.parquet
    """
    from weir import jobs

    if captures:
        if out is None:
            raise SettingsError("flows: --out is missing; name the Parquet file to write")
        if unit or snapshot:
            raise SettingsError("flows: --unit and --snapshot are for the store; leave them out where captures are named")
        _tune_for_captures()
        say(jobs.flows_to_file(captures, out), as_json)
    elif out is not None:
        raise SettingsError("flows: --out is for captures; name the files to read before it")
    elif snapshot:
        say(jobs.materialise(snapshot), as_json)
    else:
        say(each("flows", _all_or(unit, "1_packets/"), jobs.flows), as_json)


@app.command()
def features(unit: Unit = None, as_json: AsJson = False) -> None:
    """Sum flows up into one row per host and window.

    Example: weir features --unit lab/2026-01-31T09
    """
    from weir import jobs

    say(each("features", _all_or(unit, "2_flows/"), jobs.features), as_json)


@app.command()
def validate(
    unit: Unit = None,
    docs: Annotated[Path | None, typer.Option(help="Folder for Great Expectations' Data Docs.")] = None,
    write_suites: Annotated[
        bool, typer.Option(help="Write the suites from the schema into great_expectations/ and stop.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Judge flows and windows; good rows go on, refused rows go to quarantine with the reason.

    Example: weir validate --unit lab/2026-01-31T09 --docs /tmp/data_docs
    """
    from weir import jobs

    if write_suites:
        say(jobs.write_suites(), as_json)
        return
    counts = each("validate", _all_or(unit, "2_flows/"), jobs.validate)
    if docs:
        counts["data_docs"] = jobs.data_docs(docs)
    say(counts, as_json)


quarantine = typer.Typer(no_args_is_help=True, help="Look at refused rows, and let them go on.\n\nExample: weir quarantine list")
app.add_typer(quarantine, name="quarantine")


@quarantine.command("list")
def quarantine_list(as_json: AsJson = False) -> None:
    """How many rows are held, by table, unit and broken expectation.

    Example: weir quarantine list
    """
    from weir import jobs

    say(jobs.quarantined(), as_json)


@quarantine.command("show")
def quarantine_show(table: str, unit: str) -> None:
    """Print the refused rows of one unit, as JSON lines.

    Example: weir quarantine show flows lab/2026-01-31T09
    """
    from weir import jobs

    for row in jobs.refused_rows(table, unit):
        print(json.dumps(row))


@quarantine.command("release")
def quarantine_release(
    table: str,
    unit: str,
    reason: Annotated[str, typer.Option(help="The broken expectation whose rows may go on.")],
    why: Annotated[str, typer.Option(help="Why they are right; kept with the validation result.")],
    as_json: AsJson = False,
) -> None:
    """Let the rows go on that one expectation refused.

    Example: weir quarantine release flows lab/2026-01-31T09 --reason "duration_us <= 3600000000" --why "long tunnel"
    """
    from weir import jobs

    say(jobs.release(table, unit, reason, why), as_json)


@app.command()
def snapshot(
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("snapshot.json"),
    until: Annotated[str | None, typer.Option(help="Last capture hour to take, such as 2026-01-31T09.")] = None,
    as_json: AsJson = False,
) -> None:
    """Name the hours of the store that a model is to be trained on.

    Example: weir snapshot --until 2026-01-31T09 --out snapshot.json
    """
    from weir import jobs

    say(jobs.write_snapshot(out, until), as_json)


@app.command()
def train(
    snapshot: Annotated[Path, typer.Option(help="The hours to train on.")] = Path("snapshot.json"), as_json: AsJson = False
) -> None:
    """Fit detectors on the validated rows of a snapshot and write the artifact.

    Example: weir train --snapshot snapshot.json
    """
    from weir import jobs

    say(jobs.train(snapshot), as_json)


@app.command()
def evaluate(
    snapshot: Annotated[Path, typer.Option(help="Its replay hours are the frozen labelled set.")] = Path("snapshot.json"),
    as_json: AsJson = False,
) -> None:
    """Measure the trained model on the labelled replay hours.

    Example: weir evaluate --snapshot snapshot.json --json
    """
    from weir import jobs

    say(jobs.evaluate(snapshot), as_json)


@app.command()
def drift(
    unit: Annotated[str | None, typer.Option(help="Sensor and capture hour to judge; default: the newest one.")] = None,
    snapshot: Annotated[
        Path | None, typer.Option(help="Compare with the hours of this snapshot; default: those of the champion.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare one hour with the hours the model was trained on.

    Example: weir drift --unit lab/2026-01-31T09
    """
    from weir import jobs

    say(jobs.drift(unit, snapshot), as_json)


@app.command()
def propose(
    artifact: Annotated[
        Path | None, typer.Argument(help="Folder of a trained model; default: the one the last training wrote.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring a trained model into the registry as challenger.

    Example: weir propose data/4_models/candidate
    """
    from weir import jobs

    say(jobs.propose(artifact), as_json)


@app.command()
def promote(
    back: Annotated[bool, typer.Option("--rollback", help="Make the previous champion score again.")] = False,
    why: Annotated[str, typer.Option(help="Kept in the history.")] = "asked for on the command line",
    as_json: AsJson = False,
) -> None:
    """Put the challenger through the gate; if it passes, it becomes champion.

    Example: weir promote --why "three quiet days in the shadow"
    """
    from weir import jobs

    say(jobs.rollback(why) if back else jobs.promote(why=why), as_json)


@app.command()
def models(as_json: AsJson = False) -> None:
    """Which model is live since when, which waits, and what came before; --json adds what was measured of each.

    Example: weir models
    """
    from weir import jobs

    found = jobs.models()
    say(found if as_json else _lives(found), as_json)


def _lives(found: dict[str, Any]) -> dict[str, Any]:
    """Champion and challenger in a line each, and the champions before, the latest first."""
    champion, challenger = found["champion"], found["challenger"]
    waits = challenger and not (champion and champion["model_id"] == challenger["model_id"])
    return {
        "champion": _life(champion, "since") if champion else "none; weir promote makes the challenger champion",
        "challenger": _life(challenger, "proposed") if waits else "none waits",
        **{f"before, {entry['number']}": _life(entry, "since") for entry in reversed(found["history"][:-1])},
    }


def _life(entry: dict[str, Any], verb: str) -> str:
    return ": ".join([f"{entry['model_id']} {verb} {moment(entry['when_us'])} UTC", *([entry["why"]] if "why" in entry else [])])


@app.command()
def score(unit: Unit = None, as_json: AsJson = False) -> None:
    """Score validated rows with the champion; without --unit, all that wait for it.

    Example: weir score --unit lab/2026-01-31T09
    """
    from weir import jobs

    say(each("score", [unit] if unit else jobs.unscored(), jobs.score), as_json)


@app.command()
def alert(unit: Unit = None, as_json: AsJson = False) -> None:
    """Turn the scores of a unit into alerts and send them.

    Example: weir alert --unit lab/2026-01-31T09
    """
    from weir import jobs

    say(each("alert", _all_or(unit, "5_scores/flows/"), lambda name: jobs.alert(name, "by hand")), as_json)


@app.command()
def report(
    kind: Annotated[Literal["daily", "weekly"], typer.Argument(help="daily or weekly")],
    day: Annotated[
        str | None, typer.Option(help="Day the report ends on, such as 2026-01-31; default: the newest day in the store.")
    ] = None,
    mail: Annotated[bool, typer.Option(help="Send it as well.")] = True,
    as_json: AsJson = False,
) -> None:
    """Build a report as page and PDF, and mail it.

    Example: weir report daily --day 2026-01-31 --no-mail
    """
    from weir import jobs

    say(jobs.report(kind, day, mail=mail), as_json)


book = typer.Typer(no_args_is_help=True, help="What became of every packet and row.\n\nExample: weir ledger verify")
app.add_typer(book, name="ledger")


@book.command("verify")
def ledger_verify(as_json: AsJson = False) -> None:
    """Check every law; exits with 7 when one does not balance.

    Example: weir ledger verify
    """
    from weir import jobs

    verdict = jobs.verify_ledger()
    if as_json:
        print(
            json.dumps(
                {
                    "balanced": verdict.is_balanced,
                    "lost": verdict.lost,
                    "laws": [law.words for law in verdict.laws],
                    "verdict": verdict.words,
                }
            )
        )
    else:
        for law in verdict.laws:
            print(law.words)
        print(verdict.words)
    verdict.demand()


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="Folder for one pcap per hour and the labels.")],
    start: Annotated[str, typer.Option(help="First hour, such as 2026-01-31T09.")] = "2026-01-31T09",
    hours: Annotated[int, typer.Option(help="How many hours.")] = 1,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    hosts: Annotated[int, typer.Option(help="Hosts in the office.")] = 40,
    attacks: Annotated[str, typer.Option(help="Kinds of attack, separated by commas; none for normal traffic only.")] = "",
    intensity: Annotated[float, typer.Option(help="How busy; 1 is about 50,000 packets an hour for 50 hosts.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Make hours of normal traffic with labelled attacks.

    Example: weir simulate --out /tmp/office --hours 2 --seed 1 --attacks portscan,c2-beacon
    """
    from rich.console import Console
    from rich.progress import Progress

    from weir.simulate.run import simulate as make

    first, kinds = _hour(start), [name for name in attacks.split(",") if name]
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("simulate", total=hours)
        made = make(
            out,
            start=first,
            hours=hours,
            seed=seed,
            hosts=hosts,
            attacks=kinds,
            intensity=intensity,
            progress=lambda done, of: bar.update(task, completed=done, total=of),
        )
    say(made, as_json)


def _hour(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H").replace(tzinfo=UTC)
    except ValueError:
        raise SettingsError(f"{text!r}: not an hour; write it as 2026-01-31T09") from None


if __name__ == "__main__":
    main()
