"""Any number of seeds on all cores: `python -m tests.simulation --seeds 10000`.

What fails is made small and written as JSON into tests/simulation/cases/, where the suite runs it for ever.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.simulation.families import FAMILIES, Failure, failures_of
from tidemill.testing.simulation.plans import text_of_case

CASES = Path(__file__).parent / "cases"
BLOCK = 20
TOLD_EVERY_S = 2.0


def blocks_of(families: list[str], first: int, seeds: int) -> list[tuple[str, int, int]]:
    """By turns, so that an early stop has seen something of each."""
    end = first + seeds
    return [(family, start, min(start + BLOCK, end)) for start in range(first, end, BLOCK) for family in families]


def found(blocks: list[tuple[str, int, int]], workers: int) -> Iterator[Failure]:
    began = told = time.monotonic()
    done, all_of_them = 0, sum(end - first for _, first, end in blocks)
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, maxtasksperchild=50) as pool:
        for (_, first, end), failures in zip(blocks, pool.imap(failures_of, blocks), strict=True):
            done += end - first
            yield from failures
            now = time.monotonic()
            if now - told > TOLD_EVERY_S or done == all_of_them:
                told = now
                print(f"{done:,} of {all_of_them:,} seeds, {done / (now - began):.0f} a second", file=sys.stderr)


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    asked.add_argument("--seeds", type=int, default=1000, help="of each family")
    asked.add_argument("--from", type=int, default=0, dest="first")
    asked.add_argument("--jobs", type=int, default=os.cpu_count() or 1, dest="workers")
    asked.add_argument("--family", choices=FAMILIES, action="append", help="one, or several; by default all")
    asked.add_argument("--out", type=Path, default=CASES, help="where small cases are written")
    given = asked.parse_args()
    failed = 0
    for family, seed, small in found(blocks_of(given.family or [*FAMILIES], given.first, given.seeds), given.workers):
        failed += 1
        path = given.out / f"{family}_{seed}.json"
        path.write_text(text_of_case(small) + "\n", "utf-8")
        print(f"{family} {seed}: {small.note}\n  {len(small.faults)} faults, {len(small.moves or {})} moves: {path}")
    print(f"{failed} failed" if failed else "all hold")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
