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


def test_stores_are_read_and_changed(mill: Mill) -> None:
    with mill.server() as (_, url):
        at = ("--workflow", "mill.double", "--url", url)
        assert mill.tidemill("store", "set", "seen", "a/b", '{"n": 1}', *at).out == "a/b has version 1\n"
        assert mill.tidemill("store", "set", "seen", "a/c", "text", "--json", *at).json == {
            "key": "a/c", "value": "text", "version": 2,
        }  # fmt: skip
        assert mill.tidemill("store", "get", "seen", "a/b", *at).json == {"n": 1}
        listed = mill.tidemill("store", "list", "seen", "--prefix", "a/", *at).out.splitlines()
        assert [line.split()[:2] for line in listed[1:]] == [["a/b", "1"], ["a/c", "2"]]
        stale = mill.tidemill("store", "set", "seen", "a/b", "2", "--version", "7", *at)
        assert (stale.code, "the entry has version 1" in stale.err) != (0, True)
        assert mill.tidemill("store", "delete", "seen", "a/b", *at).code == 0
        assert mill.tidemill("store", "get", "seen", "a/b", *at).code == 1
        assert mill.tidemill("store", "items", "line", "--json", *at).json == {"items": []}
        assert mill.tidemill("store", "get", "seen", "a", "--url", url).code == 2
