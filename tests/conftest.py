import pytest
from hypothesis import settings

# No deadline: a shared machine is slow at times, and that is no fault of the code.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "feature(id, ...): the test proves these rows of docs/features.md; `python -m tests.features` counts"
    )
