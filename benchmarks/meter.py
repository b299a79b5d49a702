"""Run a command and write down what it took: python -IS meter.py OUT.json COMMAND...

A process begins its life with the peak memory of the one that started it, so measuring from a large Python would hide small
programs. This one is small (10 MB), and is started anew for each run.
"""

import json
import resource
import subprocess
import sys


def main() -> int:
    """Write CPU seconds (user and system, children included), peak memory and exit code to the file named first."""
    out, *command = sys.argv[1:]
    code = subprocess.run(command, stdin=subprocess.DEVNULL).returncode
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = {"cpu_s": used.ru_utime + used.ru_stime, "rss_bytes": used.ru_maxrss * 1024, "code": code}
    with open(out, "w") as result:  # noqa: PTH123 - the fewer modules, the smaller
        json.dump(taken, result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
