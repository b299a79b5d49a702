"""### Packets in, flows out

Every hour this takes the sealed capture segments that the sensors left in the spool, stores them
under `1_packets/`, and builds the flow table of each sensor and capture hour under `2_flows/`.

- `waiting` lists sealed segments, in chunks. *Red:* the spool folder cannot be read; is its disk mounted?
- `collect` stores a chunk. A segment leaves the spool only after its stored bytes were read back and
  hashed. *Red:* the store refuses, the log says why; nothing is lost, the segments stay in the spool.
- `units` lists the hours that got packets.
- `flows` builds one hour's flows, from **all** its segments. *Red:* the log names segment and byte.
- `hand_over` tells `weir_2_features` which hours are new.
- `summary` says in one sentence what the run did; it is also the note of the run.

**A pink task is normal**: no packets came, so there was nothing to build.
**Running it again is safe**: segments are stored under their hash, an hour is built anew as a whole.
A segment that could not be believed (wrong hash, cut) is in `spool/refused/` with the reason beside it.
"""

from typing import Any

from airflow.sdk import dag, task

from weir.site.handover import CALLED, FLOWS, TAG, TASKS, at, called

SEGMENTS_AT_ONCE = 20  # a task costs about half a second whatever it does, so it takes a chunk


@dag(
    dag_id="weir_1_collect",
    dag_display_name="1 · collect packets",
    description="Sealed capture segments from the sensors' spool become packets and flows in the store",
    doc_md=__doc__,
    schedule=at("7 * * * *"),  # sensors seal at the full hour; leave them a moment
    catchup=False,
    max_active_runs=1,
    default_args=TASKS,
    tags=[TAG, "packets", "flows"],
)
def collect() -> None:
    """Packets in, flows out."""

    @task
    def waiting() -> list[list[str]]:
        from weir import jobs

        found = jobs.waiting()
        return [found[at : at + SEGMENTS_AT_ONCE] for at in range(0, len(found), SEGMENTS_AT_ONCE)]

    @task(task_id="collect", map_index_template=CALLED)
    def take(manifests: list[str]) -> dict[str, Any]:
        from weir import jobs

        counts = jobs.collect(manifests)
        called(f"{counts['segments']} segments")
        return counts

    @task
    def units(collected: Any) -> list[str]:
        return sorted({unit for counts in collected for unit in counts["units"]})

    @task(map_index_template=CALLED)
    def flows(unit: str) -> dict[str, Any]:
        from weir import jobs

        called(unit)
        return jobs.flows(unit)

    @task(outlets=[FLOWS])
    def hand_over(built: Any, *, outlet_events: Any = None) -> list[str]:
        new = [counts["unit"] for counts in built]
        outlet_events[FLOWS].extra = {"units": new}
        return new

    @task(trigger_rule="none_failed")
    def summary(collected: Any, built: Any) -> str:
        from weir.site.notes import of_collect

        return of_collect(list(collected or []), list(built or []))

    collected = take.expand(manifests=waiting())
    built = flows.expand(unit=units(collected))
    hand_over(built)
    summary(collected, built)


collect()
