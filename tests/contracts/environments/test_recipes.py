"""What an environment is made of, and how Tidemill gets into it: nothing here asks an index."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT
from tidemill.adapters.environments import uv
from tidemill.adapters.environments.recipe import pinned
from tidemill.adapters.environments.uv_environments import UvEnvironments
from tidemill.ports.environments import EnvironmentFaultError, MadeOf, Recipe

PYPROJECT = '[project]\nname = "w"\nversion = "1"\ndependencies = ["iniconfig"]\n'


@pytest.fixture
def environments(tmp_path: Path) -> UvEnvironments:
    return UvEnvironments(tmp_path / "envs", lambda _: {})


def folder_of(top: Path, **files: str) -> Path:
    top.mkdir()
    for name, text in files.items():
        (top / name.replace("_", ".")).write_text(text)
    return top


async def recipe_of(environments: UvEnvironments, folder: Path) -> Recipe:
    found = await environments.recipe(folder)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("files", "made_of"),
    [
        ({"pyproject_toml": PYPROJECT}, MadeOf.PYPROJECT),
        ({"pyproject_toml": PYPROJECT, "requirements_txt": "iniconfig==2.1.0\n"}, MadeOf.UNHASHED),
        ({"requirements_txt": "iniconfig==2.1.0 --hash=sha256:00\n"}, MadeOf.HASHED),
        ({"pyproject_toml": PYPROJECT, "requirements_txt": "x --hash=y\n", "uv_lock": "version = 1\n"}, MadeOf.UV_LOCK),
    ],
)
async def test_the_strictest_file_decides(
    environments: UvEnvironments, tmp_path: Path, files: dict[str, str], made_of: MadeOf
) -> None:
    assert (await recipe_of(environments, folder_of(tmp_path / "w", **files))).made_of is made_of


async def test_a_folder_that_declares_nothing_has_no_environment(environments: UvEnvironments, tmp_path: Path) -> None:
    assert await environments.recipe(folder_of(tmp_path / "w", main_py="", pyproject_toml="[tool.x]\n")) is None


async def test_equal_locks_are_one_environment_and_code_does_not_count(
    environments: UvEnvironments, tmp_path: Path
) -> None:
    one = folder_of(tmp_path / "one", requirements_txt="iniconfig==2.1.0\n", main_py="1")
    two = folder_of(tmp_path / "two", requirements_txt="iniconfig==2.1.0\n", main_py="2")
    first = (await recipe_of(environments, one)).digest
    assert (await recipe_of(environments, two)).digest == first
    (two / "requirements.txt").write_text("iniconfig==2.0.0\n")
    assert (await recipe_of(environments, two)).digest != first


async def test_of_a_project_only_what_it_needs_counts(environments: UvEnvironments, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "w", pyproject_toml=PYPROJECT)
    first = (await recipe_of(environments, folder)).digest
    (folder / "pyproject.toml").write_text(f'{PYPROJECT}description = "new words"\n')
    assert (await recipe_of(environments, folder)).digest == first
    (folder / "pyproject.toml").write_text(PYPROJECT.replace("iniconfig", "iniconfig<2"))
    assert (await recipe_of(environments, folder)).digest != first


async def test_a_project_that_cannot_be_read_is_named(environments: UvEnvironments, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "w", pyproject_toml="[project\n")
    with pytest.raises(EnvironmentFaultError, match=r"w/pyproject\.toml cannot be read"):
        await environments.recipe(folder)


def test_what_is_pinned_are_requirements_without_options_and_hashes() -> None:
    text = "--index-strategy unsafe\n# by hand\nnumpy==2.4 ; python_version < '3.12' \\\n    --hash=sha256:1 \\\n"
    assert pinned(f"{text}    --hash=sha256:2\nsix==1.17.0  # via x\n") == (
        "numpy==2.4 ; python_version < '3.12'\nsix==1.17.0\n"
    )


def test_without_uv_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EnvironmentFaultError, match=r"pip install 'tidemill\[envs\]'"):
        uv.find_uv()


def test_an_installation_is_packed_into_a_wheel_that_installs_the_same_code(tmp_path: Path) -> None:
    """As for a user who has no checkout: the wheel's code, and nothing else, is what ran."""
    first, second = (make_environment(tmp_path / name) for name in ("first", "second"))
    install(first, str(ROOT))
    code = "import sys; from pathlib import Path; from tidemill.adapters.environments.ourselves import checkout, pack; "
    done = subprocess.run(
        [
            first / "bin" / "python",
            "-I",
            "-c",
            f"{code}assert checkout() is None; print(pack(Path(sys.argv[1])))",
            tmp_path,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    install(second, done.stdout.strip())
    assert code_in(second) == code_in(first)
    assert len(code_in(second)) > 300
    assert (second / "bin" / "tidemill").exists()


def make_environment(folder: Path) -> Path:
    subprocess.run([uv.find_uv(), "venv", "--quiet", "--python", sys.executable, folder], check=True)
    return folder


def install(environment: Path, what: str) -> None:
    offline = ["--quiet", "--no-deps", "--no-index", "--python", environment / "bin" / "python"]
    subprocess.run([uv.find_uv(), "pip", "install", *offline, what], check=True)


def code_in(environment: Path) -> dict[str, bytes]:
    (site,) = (environment / "lib").glob("python*/site-packages")
    found = (path for path in (site / "tidemill").rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(site).as_posix(): path.read_bytes() for path in found}
