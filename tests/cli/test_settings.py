"""Settings: defaults, then tidemill.toml, then variables, then the command and code; and `tidemill settings`."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tidemill.assembly.setting_kinds import KINDS, SettingsError
from tidemill.assembly.settings import PREFIX, Settings, find_settings, read_settings
from tidemill.assembly.worker import _pools
from tidemill.cli.settings import page, shown
from tidemill.core.definitions import Pools
from tidemill.sdk.worker import Worker

FILE = """
main = "shop"
concurrency = 8
tags = ["big", "quiet"]
data = "mill"

[labels]
site = "north"

[workers.media]
concurrency = 2
pools = { video = 1 }
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tidemill.toml").write_text(FILE)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    return tmp_path


def test_every_field_has_its_row() -> None:
    fields = {each.name for each in dataclasses.fields(Settings)}
    assert fields == {*KINDS, "workers"}


def test_a_default_can_be_said_in_the_same_words() -> None:
    for name, kind in KINDS.items():
        if text := shown(getattr(Settings(), name)):
            assert kind.parse(text) == getattr(Settings(), name)


@pytest.mark.feature("D8")
def test_each_place_stands_above_the_one_before(project: Path) -> None:
    found = find_settings({"port": 1}, {"TIDEMILL_CONCURRENCY": "9", "TIDEMILL_PORT": "2", "HOME": "/"})
    assert (found.settings.port, found.settings.concurrency, found.settings.tags) == (1, 9, ("big", "quiet"))
    assert found.settings.data == project / "mill"
    assert found.settings.labels == {"site": "north"}
    assert found.settings.lease_s == 10.0
    assert found.sources["port"] == "given"
    assert found.sources["concurrency"] == "TIDEMILL_CONCURRENCY"
    assert found.sources["tags"] == str(project / "tidemill.toml")
    assert "lease_s" not in found.sources


@pytest.mark.feature("D8")
def test_two_in_one_process_may_differ() -> None:
    one, other = read_settings({"worker_id": "one", "concurrency": 1}, {}), read_settings({"worker_id": "two"}, {})
    assert (one.concurrency, other.concurrency) == (1, 8)


def test_code_stands_above_the_file_for_each_worker() -> None:
    settings = read_settings({}, {"TIDEMILL_POOLS": "audio=4,video=9"})
    assert _pools([Worker("media")], settings) == Pools(2, {"audio": 4, "video": 1})
    assert _pools([Worker("other")], settings) == Pools(8, {"audio": 4, "video": 9})
    assert _pools([Worker("media", concurrency=5, pools={"video": 3})], settings) == Pools(5, {"audio": 4, "video": 3})


@pytest.mark.feature("D8")
@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"TIDEMILL_CONCURENCY": "1"}, "there is no setting TIDEMILL_CONCURENCY; did you mean TIDEMILL_CONCURRENCY?"),
        (
            {"TIDEMILL_PORT": "70700"},
            "TIDEMILL_PORT is '70700'; expected a whole number from 0 (any free one) to 65535",
        ),
        ({"TIDEMILL_LEASE_S": "nan"}, "TIDEMILL_LEASE_S is 'nan'; expected seconds above 0"),
        ({"TIDEMILL_CONFIG": "nowhere.toml"}, "TIDEMILL_CONFIG names nowhere.toml, and there is no such file"),
    ],
)
def test_a_wrong_variable_is_refused_and_nothing_is_put_in_its_place(environment: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({}, environment)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("concurency = 1", "there is no setting concurency; did you mean concurrency?"),
        ("concurrency = true", "concurrency is True; expected a whole number"),
        ("concurrency = 0", "concurrency is 0; expected a whole number from 1"),
        ("tags = ['a,b']", "tags is ['a,b']; expected words"),
        ("labels = { a = ['b'] }", "labels is {'a': ['b']}; expected name=value"),
        ("[workers.media]\nconcurency = 1", "there is no setting concurency; did you mean concurrency?"),
        ("[workers.media]\nconcurrency = 'many'", "workers.media.concurrency is 'many'; expected a whole number"),
        ("workers = 1", "workers is a table of tables"),
        ("concurrency = ", "tidemill.toml is no TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name(project: Path, text: str, said: str) -> None:
    (project / "tidemill.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_settings({}, {})
    assert str(project / "tidemill.toml") in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["mysql://ann:hush@h/d", "hush"])
def test_a_password_is_shown_nowhere(project: Path, text: str) -> None:
    url = "postgresql://ann:hush@db.example/mill"
    settings = read_settings({}, {"TIDEMILL_DATABASE_URL": url})
    assert settings.database_url == url
    shown = command("settings", TIDEMILL_DATABASE_URL=url) + command("settings", "--json", TIDEMILL_DATABASE_URL=url)
    assert "postgresql://ann@db.example/mill" in shown
    (project / "tidemill.toml").write_text(f"database_url = {text!r}")
    refused = []
    for environment in ({}, {"TIDEMILL_DATABASE_URL": text, "TIDEMILL_CONFIG": str(project / "none.toml")}):
        with pytest.raises(SettingsError) as caught:
            read_settings({}, environment)
        refused.append(str(caught.value))
    assert "hush" not in repr(settings) + shown + "".join(refused)


def test_a_file_that_is_no_text_is_refused(project: Path) -> None:
    (project / "tidemill.toml").write_bytes(b"concurrency = \xff")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings({}, {})


@pytest.mark.feature("D8")
def test_the_command_names_the_source_of_each() -> None:
    said = command("settings", "--json", TIDEMILL_CONCURRENCY="9")
    rows: dict[str, dict[str, str]] = json.loads(said)
    assert rows["concurrency"]["value"] == "9"
    assert rows["concurrency"]["source"] == "TIDEMILL_CONCURRENCY"
    assert rows["lease_s"] == {"value": "10.0", "source": "default", "variable": "TIDEMILL_LEASE_S"} | {
        "meaning": KINDS["lease_s"].doc
    }
    people = command("settings")
    assert "concurrency" in people
    assert "tidemill.toml" in people


@pytest.mark.feature("D8")
def test_the_reference_page_is_what_the_settings_are() -> None:
    root = Path(__file__).parents[2]
    assert (root / "docs/settings.md").read_text("utf-8") == page(), (
        "run tidemill settings --reference > docs/settings.md"
    )
    for name in KINDS:
        assert f"`{PREFIX}{name.upper()}`" in page()


def command(*arguments: str, **environment: Any) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tidemill", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout
