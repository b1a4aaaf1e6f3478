"""Attributes on the command line."""

from tests.cli.processes import WITHIN_S, Mill
from tidemill import Client


def test_attributes_are_set_removed_and_shown(mill: Mill) -> None:
    with mill.server() as (_, url), mill.process("worker", "mill.py", "--url", url) as worker, Client(url) as client:
        worker.wait_for("registered")
        at = ("--url", url)
        run = client.submit_named("mill.double", {"x": 21})
        run.result(WITHIN_S)
        data = mill.tidemill("runs", "data", run.id, "--set", "label=good", "--set", 'pages=[1, "b"]', "--json", *at)
        assert data.json == {"run": {"label": "good", "pages": [1, "b"]}, "steps": {}}
        mill.tidemill("runs", "data", run.id, "--step", "double", "--set", "checked=true", *at)
        shown = mill.tidemill("runs", "data", run.id, "--remove", "pages", *at)
        assert shown.out.splitlines() == ["label: good", "double", "  checked: yes"]
        assert mill.tidemill("runs", "show", run.id, *at).out.splitlines()[-1] == "label: good"
        assert mill.tidemill("runs", "show", run.id, "--json", *at).json["data"] == {"label": "good"}
        wrong = mill.tidemill("runs", "data", run.id, "--set", "a b=1", *at)
        assert (wrong.code, "'a b' is no name of an attribute" in wrong.err) == (2, True)
        assert mill.tidemill("runs", "data", run.id, "--set", "alone", *at).code == 2
