"""Options of another type than they have are refused where they are written."""

from typing import Any

import pytest

from tidemill import DefinitionError, Worker


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("timeout", "10", "timeout is a number of seconds or timedelta, not '10'"),
        ("retries", "3", "retries is a whole number, not '3'"),
        ("retries", True, "retries is a whole number, not True"),
        ("priority", 1.5, "priority is a whole number, not 1.5"),
        ("queue_timeout", "forever", "queue_timeout is a number of seconds or timedelta or Forever, not 'forever'"),
        ("rate_limit", 3, "rate_limit is RateLimit, not 3"),
        ("cache", "1h", "cache is a number of seconds or timedelta or Cache, not '1h'"),
        ("backend", "process", "backend is Backend, not 'process'"),
        ("ignore_unknown", "yes", "ignore_unknown is True or False, not 'yes'"),
        ("queue", 3, "queue is a text, not 3"),
    ],
)
def test_an_option_of_another_type_is_refused_where_it_is_written(option: str, value: Any, text: str) -> None:
    def close() -> None: ...

    given: Any = {option: value}
    with pytest.raises(TypeError) as caught:
        Worker("shop").task(**given)(close)
    assert text in str(caught.value)


def test_a_worker_names_its_back_end_by_the_enum() -> None:
    backend: Any = "process"
    with pytest.raises(DefinitionError, match=r"worker shop: backend is one of Backend, such as Backend.PROCESS"):
        Worker("shop", backend=backend)
