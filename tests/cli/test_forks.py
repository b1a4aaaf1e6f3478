"""Retry, fork and what-if on the command line."""

from tests.cli.processes import Mill

KILN = """
from pathlib import Path
from tidemill import PermanentError, Worker, branch, map_over, workflow

kiln = Worker("kiln")


@kiln.task
def mix(clay: int) -> int:
    with Path("mixed.txt").open("a") as seen:
        seen.write(f"{clay}\\n")
    return clay * 2


@kiln.task
def fire(mixed: list[int], heat: int) -> int:
    if Path("cold").exists():
        raise PermanentError("the kiln is cold")
    return sum(mixed) + heat


@workflow
def pots(clays: list[int], heat: int = 0) -> int:
    return fire(map_over(mix, clays), heat)
"""


def test_a_failed_run_is_retried_forked_and_held_against_another_version(mill: Mill) -> None:
    kiln, cold = mill.folder / "kiln.py", mill.folder / "cold"
    kiln.write_text(KILN)
    cold.touch()
    with mill.server() as (_, url), mill.process("worker", "kiln.py", "--url", url) as worker:
        worker.wait_for("registered")
        at = ("--url", url)
        failed = mill.tidemill("run", "kiln.py", "--clays", "[1, 2]", "--json", *at)
        assert failed.code == 1
        run = failed.json["id"]
        planned = mill.tidemill("retry", run, "--dry-run", *at).out
        assert planned.startswith("taken over: 2\n  mix[0]/mix\n  mix[1]/mix\nto run: 1\n  fire\n")
        cold.unlink()
        again = mill.tidemill("retry", run, "--wait", "--json", *at).json
        assert (again["status"], again["origin"]) == ("succeeded", run)
        refused = mill.tidemill("retry", again["id"], *at)
        assert refused.code == 1
        assert "is succeeded; what did not fail is forked" in refused.err
        other = mill.tidemill("fork", again["id"], "--input", "clays=[1, 5]", "--step", "fire:heat=7", "--wait", *at)
        assert "succeeded" in other.out
        assert sorted((mill.folder / "mixed.txt").read_text().split()) == ["1", "2", "5"]
        assert mill.tidemill("fork", again["id"], "--input", "clays", *at).code == 2
        same = mill.tidemill("whatif", "kiln.py", *at)
        assert (same.code, same.out) == (0, "3 of 3 runs would go the same way\n")
        kiln.write_text(
            KILN.replace("map_over(mix, clays)", "map_over(lambda clay: mix(mix.options(name='wet')(clay)), clays)")
        )
        changed = mill.tidemill("whatif", "kiln.py", *at)
        assert changed.code == 1
        assert "run anew: " in changed.out
        assert changed.out.endswith("0 of 3 runs would go the same way\n")
