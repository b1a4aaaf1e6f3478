"""Options of another type than they have are refused where they are written."""

import math
from datetime import timedelta
from typing import Any

import pytest

from tidemill import DefinitionError, TransientError, Worker


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("timeout", "10", "timeout is a number of seconds or timedelta, not '10'"),
        ("retries", "3", "retries is a whole number or Retries, not '3'"),
        ("retries", True, "retries is a whole number or Retries, not True"),
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


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"pools": ["gpu"]}, "worker shop: pools gives each name a whole number, not ['gpu']"),
        ({"pools": 3}, "worker shop: pools gives each name a whole number, not 3"),
        ({"pools": {"gpu": "2"}}, "worker shop: the limit of gpu is a whole number, not '2'"),
        ({"pools": {"gpu": True}}, "worker shop: the limit of gpu is a whole number, not True"),
        ({"pools": {"gpu": 0}}, "worker shop: the limit of gpu is 0; it must be 1 or more"),
        ({"pools": {3: 4}}, "worker shop: the names of pools are texts, not 3"),
        ({"concurrency": "4"}, "worker shop: the limit of concurrency is a whole number, not '4'"),
        ({"concurrency": 0}, "worker shop: the limit of concurrency is 0; it must be 1 or more"),
        ({"tags": 5}, "worker shop: tags is a list of names, not 5"),
        ({"tags": "fast"}, "worker shop: tags is a list of names, not 'fast'"),
        ({"tags": {"fast": True}}, "worker shop: tags is a list of names, not {'fast': True}"),
        ({"tags": [1]}, "worker shop: tags is a list of names, not [1]"),
        ({"models": None}, "worker shop: models is a list of names, not None"),
        ({"labels": ["zone"]}, "worker shop: labels gives each name a text, not ['zone']"),
    ],
)
def test_an_option_of_a_worker_of_another_type_is_refused_with_both_names(options: Any, text: str) -> None:
    with pytest.raises(TypeError) as caught:
        Worker("shop", **options)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (math.inf, ValueError, "retry_after is from 0 seconds up to ten years, not inf"),
        (math.nan, ValueError, "up to ten years, not nan"),
        (-1, ValueError, "up to ten years, not -1"),
        (timedelta(seconds=-1), ValueError, "up to ten years, not datetime.timedelta"),
        (10**400, ValueError, "up to ten years, not 1000"),
        ("5", TypeError, "retry_after is a number of seconds or a timedelta, not '5'"),
        (True, TypeError, "retry_after is a number of seconds or a timedelta, not True"),
    ],
)
def test_a_wait_that_is_none_is_refused_where_it_is_raised(given: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        raise TransientError("busy", retry_after=given)
    assert text in str(caught.value)


def test_a_wait_is_in_seconds() -> None:
    assert TransientError("busy").retry_after_s is None
    assert TransientError("busy", retry_after=0).retry_after_s == 0.0
    assert TransientError("busy", retry_after=timedelta(minutes=1)).retry_after_s == 60.0
