"""Work of every kind for a server that dies again and again, and what must hold of it in the end."""

import hashlib
import http.client
import json
import os
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from tests.cli.processes import until
from tests.faults.everything import LARGE
from tidemill.core.ids import text_of, uuid7

OCTETS, JSON = "application/octet-stream", "application/json"
WITHIN_S = 90.0
BULK, BULK_TEXT = 60, "b" * 12_000  # enough rows for a checkpoint
ITEMS, FILE_BYTES, PARTS = 7, 30_000, [1, 2, 3]
SCHEDULE = {"target": "mill.small", "input": {"x": 9}, "every_s": 1, "overlap": "allow", "catch_up": "all"}


@dataclass
class Errand:
    """One request; it is sent until it is answered, each time the same."""

    method: str
    path: str
    body: bytes
    media: str = JSON
    runs: tuple[str, ...] = ()  # that its answer acknowledges


@dataclass
class Workload:
    """``acknowledged``: run -> its kind. ``results``: what was once seen as a run's result."""

    url: str
    acknowledged: dict[str, str] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    pending: list[Errand] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    # Asking ----------------------------------------------------------------------------------------

    def ask(self, errand: Errand) -> Any:
        """Raises OSError when nobody answers, or says that it cannot now."""
        request = urllib.request.Request(
            f"{self.url}/api/v1{errand.path}", errand.body or None, {"content-type": errand.media}, method=errand.method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except HTTPError as error:
            with error:
                said = error.read().decode()[:500]
            if error.code == 503 and error.headers["retry-after"]:
                raise ConnectionError(said) from None
            raise AssertionError(f"{errand.path}: {error.code} {said}") from None
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error

    def get(self, path: str) -> Any:
        """An answer of a server that is there."""
        return self.ask(Errand("GET", path, b""))

    def text(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.url}/api/v1{path}", timeout=30) as answer:
            return str(answer.read().decode())

    # Submitting ------------------------------------------------------------------------------------

    def submission(self, kind: str, target: dict[str, str], given: dict[str, Any]) -> dict[str, Any]:
        run = text_of(uuid7(time.time_ns() // 1000, os.urandom(16), next(self._numbers) & 0xFFF))
        self.kinds[run] = kind
        return {**target, "input": given, "id": run}

    def add(self, kind: str, target: dict[str, str], given: dict[str, Any]) -> None:
        body = self.submission(kind, target, given)
        self.pending.append(Errand("POST", "/runs", json.dumps(body).encode(), runs=(body["id"],)))

    def add_round(self, point: str) -> None:
        """One run of each kind, with a file that nobody knows yet; of the costly ones, what leads to the point."""
        data = os.urandom(FILE_BYTES)
        self.pending.append(Errand("POST", "/blobs", data, OCTETS))
        for kind in ("large", "small", *(["long"] if "spool" in point else [])):
            self.add(kind, {"task": f"mill.{kind}"}, {"x": 5})
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.add("weigh", {"task": "mill.weigh"}, {"file": {"$file": digest, "size": len(data)}})
        self.add("count", {"task": "mill.count"}, {"x": ITEMS})
        self.add("spread", {"workflow": "spread"}, {"x": 1, "xs": PARTS})
        if "checkpoint" in point:
            runs = [self.submission("join", {"task": "mill.join"}, {"parts": [f"a {BULK_TEXT}"]}) for _ in range(BULK)]
            body = json.dumps({"runs": runs}).encode()
            self.pending.append(Errand("POST", "/runs/batch", body, runs=tuple(run["id"] for run in runs)))

    def send(self) -> bool:
        """Send what is pending, in order; whether all was answered."""
        try:
            while self.pending:
                errand = self.pending[0]
                answer = self.ask(errand)
                if errand.path == "/runs/batch":
                    assert all("accepted" in each for each in answer["runs"]), answer
                self.acknowledged |= {run: self.kinds[run] for run in errand.runs}
                del self.pending[0]
        except OSError:
            return False
        return True

    def look(self) -> None:
        """Take down results that can be seen now."""
        try:
            for run in list(self.acknowledged.keys() - self.results.keys())[:20]:
                found = self.get(f"/runs/{run}/result?wait=0")
                if found["status"] == "succeeded":
                    self.results[run] = found["value"]
        except OSError:
            return

    # Checking --------------------------------------------------------------------------------------

    def check(self, data: Path) -> None:
        """All has ended, once, and as it was seen before."""
        assert self.acknowledged
        assert not self.pending
        self.check_schedule()
        for run, kind in self.acknowledged.items():
            found = self.ended(run)
            assert found["status"] == "succeeded", (kind, found)
            assert self.results.get(run, found["value"]) == found["value"], f"the result of a {kind} changed"
            self.check_value(run, kind, found["value"])
            self.check_events(run)
        assert self.unfinished() == []
        check_blobs(data / "blobs")

    def ended(self, run: str) -> Any:
        end = time.monotonic() + WITHIN_S
        while time.monotonic() < end:
            found = self.get(f"/runs/{run}/result?wait=10")
            if "value" in found or found["status"] not in ("running", "created", "queued", "pending"):
                return found
        raise AssertionError(
            f"run {run} of kind {self.acknowledged.get(run)} never ends: {self.get(f'/runs/{run}/why')}"
        )

    def check_value(self, run: str, kind: str, value: Any) -> None:
        match kind:
            case "small" | "long":
                assert value.startswith(f"{kind} 5 ")
            case "large":
                assert value.startswith("large 5 x")
                assert len(value) > LARGE
            case "weigh":
                assert value.startswith(f"weigh {FILE_BYTES} ")
            case "spread":
                assert value.startswith("1 2 3 ")
            case "count":
                assert value == list(range(ITEMS))
                items = [line for line in self.text(f"/runs/{run}/stream").splitlines() if line.startswith("data:")]
                assert [json.loads(line[5:]) for line in items[:-1]] == value
            case _:
                assert value.startswith(BULK_TEXT)

    def check_events(self, run: str) -> None:
        """Each step has one result, each join came together once, and the run ended once."""
        ended: Counter[tuple[str, str]] = Counter()
        leased: Counter[tuple[str, int]] = Counter()
        for line in self.text(f"/runs/{run}/events").splitlines():
            for event in json.loads(line[5:]) if line.startswith("data: [") else ():
                if event["kind"] in ("step_succeeded", "run_succeeded", "map_opened", "run_submitted"):
                    ended[event["kind"], event.get("path", "")] += 1
                if event["kind"] == "attempt_leased":
                    leased[event["path"], event["attempt"]] += 1
        assert set(ended.values()) == {1}, ended
        assert ("run_succeeded", "") in ended
        assert set(leased.values()) == {1}, leased
        attempts = self.get(f"/runs/{run}/attempts")["attempts"]
        recorded = Counter(each["path"] for each in attempts if each["status"] == "succeeded")
        assert set(recorded.values()) == {1}, attempts

    def check_schedule(self) -> None:
        """Each instant that came due has one run, those that came due without a server too."""
        until(lambda: self.get("/schedules/tick/fires")["fires"], lambda: "the schedule to fire")
        view = self.ask(Errand("POST", "/schedules/tick/pause", b"{}"))
        assert view["name"] == "tick"
        fires = self.get("/schedules/tick/fires")["fires"][::-1]
        due = [datetime.fromisoformat(fire["due_at"]) for fire in fires]
        assert {fire["kind"] for fire in fires} == {"started"}, fires
        assert {after - before for before, after in pairwise(due)} <= {timedelta(seconds=1)}
        assert len({fire["run"] for fire in fires}) == len(fires)
        self.acknowledged |= {fire["run"]: "tick" for fire in fires}
        for fire in fires:
            found = self.ended(fire["run"])
            assert found["value"].startswith("small 9 "), found
            self.check_events(fire["run"])
            del self.acknowledged[fire["run"]]

    def unfinished(self) -> list[str]:
        """Runs that are in no final status."""
        page = self.get("/runs?status=running&limit=50")
        return [run["id"] for run in page["runs"]]


def check_blobs(folder: Path) -> None:
    """What has a name is what the name says."""
    files = [path for path in folder.glob("??/*") if path.is_file()]
    assert files
    assert [path.name for path in files if hashlib.sha256(path.read_bytes()).hexdigest() != path.name] == []
