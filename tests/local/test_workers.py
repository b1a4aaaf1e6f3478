"""Several workers in one process."""

import pytest

from tidemill import DefinitionError, Needs, Worker
from tidemill.testing.local import local

media, text = Worker("media"), Worker("text")


@media.task
def name(number: int) -> str:
    return f"media {number}"


@text.task("name")
def named(number: int) -> str:
    return f"text {number}"


@pytest.mark.feature("A8")
def test_workers_of_one_process_serve_their_tasks_and_no_two_of_one_name() -> None:
    more = Worker("media")
    more.task("other")(name.fn)
    with local(media, text, more) as client:
        found = [
            client.submit_named(task, {"number": 1}).result() for task in ("media.name", "text.name", "media.other")
        ]
    assert found == ["media 1", "text 1", "media 1"]

    twice = Worker("media")
    twice.task(name.fn)
    with pytest.raises(DefinitionError, match=r"two workers of this process declare media\.name"), local(media, twice):
        raise AssertionError
    with pytest.raises(DefinitionError, match=r"media\.name is declared twice"):
        media.task("name")(named.fn)

    small, large = Worker("model"), Worker("model")
    small.task("run", implementation="small", needs=Needs(cpus=0.1))(name.fn)
    large.task("run", implementation="large", needs=Needs(cpus=0.2))(named.fn)
    with local(small, large) as client:
        assert client.submit_named("model.run", {"number": 2}).result() in ("media 2", "text 2")
