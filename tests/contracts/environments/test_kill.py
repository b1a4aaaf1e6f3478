"""A process that dies while it builds or removes an environment leaves a whole one, or none that counts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.environments import dying
from tests.index import why_not
from tidemill.adapters.environments.uv_environments import UvEnvironments

DIGEST = "0" * 32


def die(*arguments: str) -> None:
    command = [sys.executable, "-m", dying.__name__, *arguments]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 137, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("point", "is_whole"), [("environment.remove.before", True), ("environment.remove.after", False)]
)
def test_one_whose_removal_was_cut_off_counts_whole_or_not_at_all(tmp_path: Path, point: str, is_whole: bool) -> None:
    (tmp_path / DIGEST / "bin").mkdir(parents=True)
    (tmp_path / DIGEST / "bin" / "python").touch()
    die("remove", str(tmp_path), DIGEST, f"{point}:1")
    environments = UvEnvironments(tmp_path, lambda _: {})
    assert [each.path is not None for each in environments.kept()] == [is_whole]
    assert environments.remove(DIGEST)
    assert environments.kept() == []


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", ["environment.sync.before", "environment.rename.before", "environment.rename.after"])
async def test_one_whose_build_was_cut_off_is_built_anew(tmp_path: Path, point: str) -> None:
    if reason := why_not():
        pytest.skip(reason)
    folder, envs = tmp_path / "w", tmp_path / "envs"
    folder.mkdir()
    (folder / "requirements.txt").write_text("iniconfig==2.1.0\n")
    die("build", str(envs), str(folder), f"{point}:1")
    environments = UvEnvironments(envs, lambda _: {})
    recipe = await environments.recipe(folder)
    assert recipe is not None
    assert (environments.built(recipe) is not None) == point.endswith(".after")
    async with environments.use(recipe, lambda _: None) as path:
        assert path == environments.built(recipe)
    assert [each.path is not None for each in environments.kept()] == [True]
