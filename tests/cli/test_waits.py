"""Signals and approvals on the command line."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal

import pytest

from tests.cli.processes import Mill, until
from tidemill import FOREVER, Approval, Client, approval, wait_signal, workflow
from tidemill.client.blocking import Run


@workflow
def paying(order: str) -> int:
    return wait_signal("paid", int, within=FOREVER)


@workflow
def paying_by_key(order: str) -> int:
    return wait_signal("paid", int, within=timedelta(days=1), key=order)


@workflow
def asking(topic: str) -> Approval[Literal["yes", "no"]]:
    return approval("Publish?", choices=("yes", "no"), shows=topic, within=timedelta(days=2))


@pytest.fixture
def url(mill: Mill) -> Iterator[str]:
    with mill.server() as (_, url):
        yield url


def begun(run: Run[Any]) -> str:
    until(run.waits, lambda: f"a wait of {run.id}")
    return run.id


@pytest.mark.feature("E9")
def test_signals_are_sent_by_run_and_by_key(mill: Mill, url: str) -> None:
    with Client(url) as client:
        one, two = client.submit(paying, "a"), client.submit(paying_by_key, "b")
        run, _ = begun(one), begun(two)
        listed = mill.tidemill("waits", "--kind", "signal", "--url", url).out
        assert "the signal paid for b" in listed
        assert "for ever" in listed
        assert len(mill.tidemill("waits", "--json", "--url", url).json["waits"]) == 2
        why = mill.tidemill("why", run, "--url", url).out
        assert "it waits for ever for the signal 'paid'" in why
        assert f"tidemill signal {run} paid PAYLOAD" in why
        refused = mill.tidemill("signal", run, "paid", '"much"', "--url", url)
        assert (refused.code, "payload" in refused.err) == (2, True)
        assert mill.tidemill("signal", run, "paid", "{bad", "--url", url).code == 2
        assert mill.tidemill("signal", run, "--url", url).code == 2
        assert f"taken by paid of run {run}" in mill.tidemill("signal", run, "paid", "5", "--id", "x", "--url", url).out
        assert f"taken by paid of run {run}" in mill.tidemill("signal", run, "paid", "5", "--id", "x", "--url", url).out
        assert one.result() == 5
        taken = mill.tidemill("signal", "paid", "7", "--key", "b", "--url", url, "--json").json
        assert (taken["taken"], two.result()) == (True, 7)
        (mill.folder / "late.json").write_text("11")
        kept = mill.tidemill("signal", "paid", "@late.json", "--key", "c", "--url", url).out
        assert kept.startswith("kept")
        assert client.submit(paying_by_key, "c").result() == 11


@pytest.mark.feature("E8")
def test_approvals_are_decided_on_the_command_line(mill: Mill, url: str) -> None:
    with Client(url) as client:
        run = client.submit(asking, "tides")
        begun(run)
        asked = mill.tidemill("approvals", "--links", "--url", url).out
        assert "Publish?  (asking, until " in asked
        assert f"tidemill approve {run.id} approval --choice yes|no" in asked
        assert f"{url}/approve/" in asked
        approve = ("approve", run.id, "--url", url, "--comment", "well done")
        assert "choose one of yes, no" in mill.tidemill(*approve, "--choice", "maybe").err
        assert "decided by ann" in mill.tidemill(*approve, "--choice", "yes", "--who", "ann").out
        answer = run.result()
        assert (answer.choice, answer.who, answer.comment) == ("yes", "ann", "well done")
        again = mill.tidemill(*approve[:2], "approval", "--choice", "no", "--url", url)
        assert (again.code, "ann chose 'yes' at" in again.err) == (1, True)
        assert "nobody is asked anything" in mill.tidemill("approvals", "--url", url).out


def test_who_decides_is_who_is_logged_in(mill: Mill, url: str) -> None:
    with Client(url) as client:
        run = client.submit(asking, "tides")
        begun(run)
        mill.tidemill("approve", run.id, "--choice", "no", "--url", url, LOGNAME="harbour")
        assert run.result().who == "harbour"
