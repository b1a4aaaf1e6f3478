"""`tidemill discover`, `tidemill stubs`, and how a target is found."""

import json
import shutil
from pathlib import Path

import jsonschema_rs
import pytest

from tests.cli.processes import Mill
from tests.house.source import ROOT
from tests.schemas import published

SOURCE = ROOT / "src"
MEDIA = """
from dataclasses import dataclass
from tidemill import Context, Needs, Worker
print("media is imported")

media = Worker("media", pools={"gpu": 1})


@dataclass
class Draft:
    topic: str
    pages: int = 1


@media.task(pool="gpu", retries=2, needs=Needs(gpus=1), models=["sd15"])
def shorten(ctx: Context, draft: Draft) -> Draft:
    return draft
"""
TWIN = """
other = Worker("Media")


@other.task("Shorten")
def twin() -> int:
    return 1
"""
WORDS = """
from collections.abc import Iterator
from tidemill import Worker

words = Worker("words")


@words.stream
def spell(text: str) -> Iterator[str]:
    yield from text
"""


@pytest.fixture
def project(tmp_path: Path) -> Mill:
    """A project whose main module names one worker and imports another."""
    package = tmp_path / "shop" / "parts"
    package.mkdir(parents=True)
    (tmp_path / "shop" / "main.py").write_text("import parts.words\nfrom parts.media import media as ours\n")
    (package / "__init__.py").write_text("")
    (package / "media.py").write_text(MEDIA)
    (package / "words.py").write_text(WORDS)
    return Mill(tmp_path)


@pytest.mark.feature("B4")
def test_discover_prints_the_manifest_of_a_project_without_a_server(project: Mill) -> None:
    said = project.tidemill("discover", "shop")
    assert said.code == 0, said.err
    jsonschema_rs.validator_for(published()["manifest-1.json"]).validate(said.json)
    tasks = {task["name"]: task for worker in said.json["workers"] for task in worker["tasks"]}
    assert sorted(tasks) == ["media.shorten", "words.spell"]
    assert tasks["words.spell"]["item"] == {"type": "string"}
    assert tasks["media.shorten"]["injects"] == ["ctx"]
    options = tasks["media.shorten"]["options"]
    assert (options["pool"], options["retries"]) == ("gpu", 2)
    assert (options["requires"]["gpus"], options["requires"]["models"]) == (1, ["sd15"])
    assert tasks["media.shorten"]["digest"].startswith("sha256:")
    assert "media is imported" in said.err
    (project.folder / "baked.json").write_text(said.out)
    (project.folder / "shop" / "main.py").unlink()
    assert project.tidemill("discover", "--manifest", "baked.json").json == said.json


@pytest.mark.feature("B4")
def test_an_import_error_is_told_with_its_module(project: Mill) -> None:
    (project.folder / "shop" / "parts" / "media.py").write_text("import no_such_thing\n")
    said = project.tidemill("discover", "shop")
    assert (said.code, said.out) == (2, "")
    assert "No module named 'no_such_thing'" in said.err
    assert "parts/media.py:1" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("name", "text"), [("tidemill.toml", 'main = "{}"\n'), ("pyproject.toml", '[tool.tidemill]\nmain = "{}"\n')]
)
@pytest.mark.parametrize("main", ["parts.media", "parts/media.py"])
def test_a_project_says_which_module_is_its_main_one(project: Mill, name: str, text: str, main: str) -> None:
    shop = project.folder / "shop"
    (shop / "main.py").unlink()
    (shop / name).write_text(text.format(main))
    said = project.tidemill("discover", "shop")
    assert [each["name"] for each in said.json["workers"]] == ["media"], said.err


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "shop has no main.py"),
        ({"tidemill.toml": "main = 5\n"}, "tidemill.toml: main is 5"),
        ({"tidemill.toml": 'main = "a b"\n'}, "no module and no .py file"),
        ({"main.py": MEDIA + TWIN}, "media.shorten and Media.Shorten have the same name in URLs, media.shorten"),
    ],
)
def test_what_is_wrong_with_a_project_is_told(tmp_path: Path, files: dict[str, str], told: str) -> None:
    (tmp_path / "shop").mkdir()
    for name, text in files.items():
        (tmp_path / "shop" / name).write_text(text)
    said = Mill(tmp_path).tidemill("discover", "shop")
    assert said.code == 2
    assert told in said.err


# Stubs ----------------------------------------------------------------------------------------------


@pytest.mark.feature("B2")
def test_stubs_are_written_from_code_a_server_or_a_manifest_and_are_checked(project: Mill) -> None:
    said = project.tidemill("stubs", "shop/parts/media.py", "shop/parts/words.py", "--out", "app/stubs")
    assert said.code == 0, said.err
    first = {path.name: path.read_text() for path in (project.folder / "app/stubs").iterdir()}
    assert sorted(first) == ["__init__.py", "manifest.json", "media.py", "types.py", "words.py"]
    assert "worker media sha256:" in first["media.py"]
    assert "def shorten(draft: Draft) -> Draft:" in first["media.py"]
    assert project.tidemill("stubs", "--manifest", "app/stubs/manifest.json", "--out", "app/stubs", "--check").code == 0
    with project.server() as (_, url), project.process("worker", "shop/parts/media.py", "--url", url) as worker:
        worker.wait_for("serves")
        worker.wait_for("connected|welcome|is connected")
        said = project.tidemill("stubs", "--from-server", "--url", url, "--out", "app/other")
    assert (project.folder / "app/other/media.py").read_text() == first["media.py"], said.err


@pytest.mark.feature("B2")
def test_stale_stubs_fail_the_check_with_what_to_do(project: Mill) -> None:
    written = ("stubs", "shop/parts/media.py", "--out", "stubs.py")
    assert project.tidemill(*written).out.endswith("wrote stubs.py\n")
    assert project.tidemill(*written).out.endswith("stubs.py is current\n")
    (project.folder / "shop/parts/media.py").write_text(MEDIA.replace("pages: int = 1", "pages: int"))
    said = project.tidemill(*written, "--check")
    assert said.code == 1
    assert "stubs.py: changed" in said.out
    assert "tidemill stubs shop/parts/media.py --out stubs.py" in said.out


def test_a_file_of_somebody_else_is_never_overwritten(project: Mill) -> None:
    (project.folder / "mine").mkdir()
    (project.folder / "mine" / "media.py").write_text("x = 1\n")
    said = project.tidemill("stubs", "shop/parts/media.py", "--out", "mine")
    assert said.code == 2
    assert "was not written by `tidemill stubs`" in said.err
    assert [path.name for path in (project.folder / "mine").iterdir()] == ["media.py"]


@pytest.mark.feature("B8")
def test_a_diff_says_what_breaks_field_by_field(project: Mill) -> None:
    media = project.folder / "shop/parts/media.py"
    (project.folder / "old.json").write_text(project.tidemill("discover", "shop").out)
    assert project.tidemill("tasks", "diff", "old.json", "old.json").out == "nothing has changed for callers\n"
    media.write_text(MEDIA.replace("pages: int = 1", "pages: int = 1\n    kind: str = 'long'"))
    said = project.tidemill("tasks", "diff", "old.json", "shop/parts/media.py")
    assert said.code == 1, "words.spell is gone"
    assert "media.shorten is changed: widened" in said.out
    assert "  input.draft: takes more than before (widened)" in said.out
    assert "words.spell is gone: breaking" in said.out
    media.write_text(MEDIA.replace("pages: int = 1", "pages: str = ''"))
    (project.folder / "new.json").write_text(project.tidemill("discover", "shop").out)
    said = project.tidemill("tasks", "diff", "old.json", "new.json", "--json")
    assert (said.code, said.json["level"]) == (1, "breaking")
    (changed,) = said.json["tasks"]
    assert [each["place"] for each in changed["changes"]] == ["input.draft.pages", "output.value.pages"]


# Targets --------------------------------------------------------------------------------------------


def declared(folder: Path, **names: str) -> None:
    """A package that is installed as far as Python can tell."""
    info = folder / "shop_parts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-parts\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in names.items()]
    (info / "entry_points.txt").write_text("\n".join(["[tidemill.workers]", *lines]))


@pytest.mark.feature("D15")
@pytest.mark.parametrize("target", ["shop", "shop/parts/media.py", "parts.media:media", "installed", "parts.media"])
def test_a_worker_is_served_from_whatever_names_it(project: Mill, target: str) -> None:
    site = project.folder / "shop"
    declared(site, installed="parts.media:media")
    path = f"{project.folder.joinpath('shop')}"
    with project.process("worker", target, "--url", "http://127.0.0.1:9", PYTHONPATH=f"{SOURCE}:{path}") as worker:
        assert "media.shorten" in worker.wait_for(r"serves (.*)")[1]


@pytest.mark.feature("D15")
def test_a_target_is_matched_in_the_documented_order(project: Mill) -> None:
    site = project.folder / "shop"
    (project.folder / "words").mkdir()
    (project.folder / "words" / "main.py").write_text(MEDIA)
    (site / "words.py").write_text(MEDIA)
    declared(site, words="parts.words:words", media="parts.nothing:x", odd="parts.media:Draft")
    path = f"{SOURCE}:{site}"

    def discovered(target: str) -> str:
        said = project.tidemill("stubs", target, "--out", "out.py", PYTHONPATH=path)
        return said.err if said.code else (project.folder / "out.py").read_text()

    assert "media.shorten" in discovered("words"), "a folder comes first"
    shutil.rmtree(project.folder / "words")
    assert "words.spell" in discovered("words"), "an entry point comes before a module"
    assert "media (parts.nothing:x) cannot be imported" in discovered("media")
    assert "parts.media:Draft, which is no worker" in discovered("odd")
    assert "no module and no installed entry point" in discovered("no such")


def test_json_on_one_line_is_for_programs(project: Mill) -> None:
    said = project.tidemill("discover", "shop", "--json")
    assert said.out.count("\n") == 1
    assert json.loads(said.out)["format"] == "tidemill.manifest/1"
