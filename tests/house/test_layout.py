"""The plan of the package."""

from tests.house.source import PACKAGE, modules, our_files
from tests.house.test_sizes import BUDGETS

PACKAGES = {budget.split("/")[0] for budget in BUDGETS} | {"dashboard"}


def test_the_package_has_no_part_that_is_not_in_the_plan() -> None:
    assert {module.package for module in modules()} - {""} <= PACKAGES


def test_init_files_are_empty() -> None:
    """But for the top one: what is imported from where it lives can be found, and imports only what it needs."""
    full = [m.place for m in modules() if m.place.endswith("/__init__.py") and m.text.strip()]
    assert [place for place in full if place != "src/tidemill/__init__.py"] == []


def test_each_folder_of_code_is_a_package() -> None:
    folders = {
        place.rsplit("/", 1)[0] for place in our_files() if place.startswith("src/tidemill/") and place.endswith(".py")
    }
    assert [folder for folder in sorted(folders) if f"{folder}/__init__.py" not in our_files()] == []


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()
