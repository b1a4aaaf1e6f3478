from pathlib import Path

import pytest

from tests.cli.processes import MILL, Mill


@pytest.fixture
def mill(tmp_path: Path) -> Mill:
    (tmp_path / "mill.py").write_text(MILL)
    return Mill(tmp_path)
