import os
import shutil
import sys
import tempfile
from functools import partial

import pytest
from hypothesis import settings

from tests.postgres import (  # noqa: F401 -- fixtures for every test
    empty_postgres_url,
    own_postgres,
    postgres_server,
    postgres_url,
)

# No deadline: a shared machine is slow at times, and that is no fault of the code.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "feature(id, ...): the test proves these rows of docs/features.md; `python -m tests.features` counts"
    )
    config.addinivalue_line("markers", "promise(number, ...): the test proves these promises of the README")
    if sys.dont_write_bytecode and "PYTHONPYCACHEPREFIX" not in os.environ:
        _keep_bytecode_elsewhere(config)


def _keep_bytecode_elsewhere(config: pytest.Config) -> None:
    """The processes that tests start would each compile all of Tidemill, a second of work or so."""
    folder = tempfile.mkdtemp(prefix="tidemill-bytecode-")
    config.add_cleanup(partial(shutil.rmtree, folder, ignore_errors=True))
    os.environ["PYTHONPYCACHEPREFIX"] = folder
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
