"""Breakpoints on the command line."""

from tests.cli.processes import WITHIN_S, Mill
from tidemill import Client


def test_a_run_that_stands_is_looked_into_and_goes_on(mill: Mill) -> None:
    with mill.server() as (_, url), mill.process("worker", "mill.py", "--url", url) as worker, Client(url) as client:
        worker.wait_for("registered")
        at = ("--url", url)
        run = client.options(breakpoints=["double"]).submit_named("mill.double", {"x": 21})
        listed = mill.tidemill("continue", run.id, "--list", *at)
        assert listed.out == "double  at a breakpoint\n"
        assert mill.tidemill("runs", "inputs", run.id, "double", *at).json == {"x": 21}
        why = mill.tidemill("why", run.id, *at).out
        assert "it stands at a breakpoint" in why
        assert f"tidemill continue {run.id}" in why
        wrong = mill.tidemill("continue", run.id, "nope", *at)
        assert wrong.code == 1
        assert "'nope' does not stand at a breakpoint" in wrong.err
        assert mill.tidemill("continue", run.id, "--json", *at).json["paths"] == []
        assert run.result(WITHIN_S) == 42
        assert mill.tidemill("runs", "value", run.id, "double", *at).json == 42
