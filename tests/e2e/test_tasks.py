"""What a task takes and gives, with a real server, a real worker and plain HTTP."""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.processes import Mill
from tidemill import Client
from tidemill.sdk.errors import RunFailedError

HERE = Path(__file__).parent
pytest.importorskip("pydantic", reason="pydantic is not installed")


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    with Mill(tmp_path_factory.mktemp("mill"), HERE / "records.py") as mill:
        yield mill


def post(mill: Mill, task: str, body: Any) -> dict[str, Any]:
    """Submit by plain HTTP, as anybody would; give the result, or what is wrong."""
    data = json.dumps({"task": f"records.{task}", "input": body}).encode()
    request = urllib.request.Request(  # loopback
        f"{mill.url}/api/v1/runs", data, {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            run = json.load(answer)["id"]
        with urllib.request.urlopen(f"{mill.url}/api/v1/runs/{run}/result?wait=20", timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        refused: dict[str, Any] = json.load(error)
        return refused


@pytest.mark.feature("A2")
def test_parameters_are_typed_inputs_and_a_named_tuple_gives_several_outputs(mill: Mill) -> None:
    assert post(mill, "ends", {"words": ["a", "b"]})["value"] == {"first": "a", "last": "b"}
    assert post(mill, "ends", {"words": ["a", "b"], "upper": True})["value"] == {"first": "A", "last": "B"}
    sys.path.insert(0, str(HERE))
    import records

    with Client(mill.url) as client:
        assert client.submit(records.ends, ["x", "y"]).result(timeout=30) == records.Ends("x", "y")
        assert client.submit(records.around, ["x", "y"]).result(timeout=30) == "y-x"


@pytest.mark.feature("A3")
@pytest.mark.parametrize(
    ("task", "record", "result"),
    [
        ("order", {"item": "bread", "copies": 2}, "2 x bread"),
        ("order", {"item": "bread"}, "1 x bread"),
        ("note", {"text": "good", "stars": 5}, 5),
        ("parcel", {"weight": 1.5, "tags": ["x"]}, {"weight": 3.0, "tags": ["x", "seen"]}),
        ("letter", {"to": "ab", "pages": 2}, "abab"),
        ("loose", {"a": 1, "b": 2}, 3),
    ],
)
def test_a_task_may_take_one_record_bare_or_under_its_name(mill: Mill, task: str, record: Any, result: Any) -> None:
    name = "record" if task == "loose" else task
    assert post(mill, task, record)["value"] == result
    assert post(mill, task, {name: record})["value"] == result


@pytest.mark.feature("A3")
@pytest.mark.parametrize(
    ("task", "record", "said"),
    [
        ("order", {"item": "bread", "copies": 0}, "copies must be 1 or more"),
        ("letter", {"to": "a", "pages": 0}, "a letter has a page"),
    ],
)
def test_what_a_record_refuses_is_invalid_input_with_its_words(mill: Mill, task: str, record: Any, said: str) -> None:
    refused = post(mill, task, record)
    assert refused["type"] == "run_failed"
    assert refused["failure"]["code"] == "invalid_input"
    assert said in refused["detail"]


@pytest.mark.feature("A3")
@pytest.mark.parametrize(
    ("wrong", "violations"),
    [
        ({"crates": [{"boards": 4}, {"boards": 3}]}, [["$.crates[1]", "a crate has four boards"]]),
        ({"orders": {"a": {"item": "x", "copies": 0}}}, [["$.orders.a", "copies must be 1 or more"]]),
        (
            {"letters": [{"to": "a", "pages": 0}]},
            [["$.letters[0].pages", "Value error, a letter has a page"]],
        ),
    ],
)
def test_a_validators_words_come_with_their_place(mill: Mill, wrong: Any, violations: Any) -> None:
    refused = post(mill, "ship", {"crates": [], "orders": {}, "letters": [], **wrong})
    assert refused["type"] == "run_failed"
    assert refused["failure"]["code"] == "invalid_input"
    assert refused["violations"] == violations
    assert refused["failure"]["violations"] == violations
    assert violations[0][1] in refused["detail"]


@pytest.mark.feature("B6")
def test_what_a_type_coerces_is_let_pass_and_every_other_fault_is_told(mill: Mill) -> None:
    assert post(mill, "letter", {"to": "ab", "pages": "2"})["value"] == "abab"
    refused = post(
        mill, "ship", {"crates": [{"boards": "4"}, 1], "letters": [{"pages": "many"}, {"to": 1, "pages": []}]}
    )
    assert refused["type"] == "invalid_input"
    assert {place for place, _ in refused["violations"]} == {
        "$.crates[0].boards",
        "$.crates[1]",
        "$.orders",
        "$.letters[0].to",
        "$.letters[1].pages",
        "$.letters[1].to",
    }


@pytest.mark.feature("A12", "B6")
def test_a_clamp_corrects_what_the_server_lets_pass_and_the_result_says_so(mill: Mill) -> None:
    answer = post(mill, "cut", {"width": 99, "cuts": [[3], [0, 2.5]]})
    assert answer["value"] == [8, 1.5, 1.0]
    assert sorted(answer["adjustments"], key=lambda each: str(each["path"])) == [
        {"path": "$.cuts[1][0]", "given": 0, "used": 1, "step": "cut"},
        {"path": "$.cuts[1][1]", "given": 2.5, "used": 1.0, "step": "cut"},
        {"path": "$.width", "given": 99, "used": 8, "step": "cut"},
    ]
    assert "adjustments" not in post(mill, "cut", {"width": 8, "cuts": []})
    refused = post(mill, "cut", {"width": "99", "cuts": [["x"]]})
    assert [place for place, _ in refused["violations"]] == ["$.width", "$.cuts[0][0]"]
    sys.path.insert(0, str(HERE))
    import records

    with Client(mill.url) as client:
        run = client.submit(records.two_cuts, 99)
        assert run.result(timeout=30) == [[8], [2], [8]]
        assert {(each.step, each.given, each.used) for each in run.adjustments()} == {
            ("map[0]/cut", 99, 8),
            ("map[2]/cut", 77, 8),
        }
        assert [len(step.adjustments) for step in run.steps() if step.kind == "task"] == [1, 0, 1]
        schema = next(each.definition for each in client.tasks() if each.definition.name == "records.cut")
        assert schema.inputs["properties"]["width"]["x-tidemill-clamp"] == {"minimum": 1, "maximum": 8}


@pytest.mark.feature("E17")
def test_a_step_waits_for_a_worker_only_as_long_as_it_may(tmp_path: Path) -> None:
    with Mill(tmp_path, HERE / "impatient.py") as mill, Client(mill.url) as client, mill.telling():
        busy = client.submit_named("impatient.hold", {"seconds": 1.5})
        while busy.view().status == "running" and not any(step.status == "running" for step in busy.steps()):
            pass
        patient = client.submit_named("impatient.whenever", {})
        with pytest.raises(RunFailedError, match="no worker took it"):
            client.submit_named("impatient.soon", {}).result(timeout=30)
        assert patient.result(timeout=30) == "at last"
