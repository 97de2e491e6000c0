"""Run the benchmarks: ``python -m bench [commands] [sse] [webhooks] [--seconds 5] [--runs 3]``.

``scale`` and ``backlog`` run only when they are named: they take a minute or two a run.
"""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Final

import uvloop

from bench import backlog, commands, scale, sse, webhooks
from bench.box import describe
from bench.figures import Figures, heading, line, medians
from bench.service import Service, StartError, service

LONGEST: Final = 20.0
"""Seconds of a case at most: the streams' flood keeps every latency, some 15 MB a second."""
MOST_RUNS: Final = 20

Program = Callable[[Service, float], AsyncIterator[Figures]]

USUAL: Final[dict[str, Program]] = {"commands": commands.run, "sse": sse.run, "webhooks": webhooks.run}
LARGE: Final = ("scale", "backlog")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the programs named, or all; return 1 if anything does not add up."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "programs",
        nargs="*",
        metavar="program",
        help=f"of {', '.join((*USUAL, *LARGE))}; if none, {', '.join(USUAL)}",
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="of load in each case (default 5)")
    parser.add_argument("--runs", type=int, default=3, help="of each program; medians are shown (default 3)")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the numbers that scale and backlog are about (default 1)"
    )
    asked = parser.parse_args(arguments)
    programs: dict[str, Program] = {
        **USUAL,
        "scale": partial(scale.run, accounts=round(scale.ACCOUNTS * asked.share)),
        "backlog": partial(backlog.run, waiting=round(backlog.WAITING * asked.share)),
    }
    unknown = set(asked.programs) - set(programs)
    if unknown:
        parser.error(f"no such program: {', '.join(unknown)}")
    if not (0 < asked.seconds <= LONGEST and 1 <= asked.runs <= MOST_RUNS):
        parser.error(f"--seconds may be up to {LONGEST:g}, --runs 1 to {MOST_RUNS}")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # for a thousand streams, here and in relay
    chosen = {name: programs[name] for name in asked.programs or USUAL}
    try:
        return uvloop.run(_run(chosen, asked.seconds, asked.runs))
    except StartError as error:
        print(error, file=sys.stderr)
        return 1


async def _run(programs: Mapping[str, Program], seconds: float, runs: int) -> int:
    faulty = False
    for number, (name, program) in enumerate(programs.items()):
        cases: dict[str, list[Figures]] = {}
        for run in range(runs):
            async with service() as relay:  # a new one: no run finds what another left behind
                if not run:
                    _say("" if number else f"{describe(relay.store_pid)}\n", heading(name))
                async for figures in program(relay, seconds):
                    cases.setdefault(figures.case, []).append(figures)
                    _say(line(figures))
        if runs > 1:
            _say(heading(f"{name}, medians of {runs}"), *(line(medians(found)) for found in cases.values()))
        faulty |= any(figures.faults for found in cases.values() for figures in found)
    return int(faulty)


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
