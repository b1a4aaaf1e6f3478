from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.peer import Mill


@pytest.fixture
async def mill(tmp_path: Path) -> AsyncIterator[Mill]:
    async with Mill(tmp_path).opened() as mill:
        yield mill
