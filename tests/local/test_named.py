"""Workflows that know their tasks by name alone."""

from dataclasses import dataclass

import pytest

from tidemill import Catalog, NotInCatalogError, UnknownNamespaceError, Worker, task_named, workflow
from tidemill.client.errors import RefusedError
from tidemill.testing.local import local

media = Worker("media")


@dataclass(frozen=True)
class Size:
    width: int
    height: int


@media.task
def measure(name: str, scale: int = 1) -> Size:
    return Size(len(name) * scale, scale)


@workflow
def area(name: str) -> int:
    size = task_named("media.measure", Size)(name=name, scale=2)
    return task_named("media.measure", Size).options(name="again")(name=name, scale=size.width).width


@workflow
def misfit(name: str) -> Size:
    return task_named("media.measure", Size)(name=name, scale=name)


@workflow
def misnamed(name: str) -> Size:
    return task_named("media.measure", Size)(name=name, scala=1)


@pytest.mark.feature("A20")
def test_a_name_alone_is_checked_when_the_workflow_is_published() -> None:
    catalog = Catalog(media)
    assert (catalog.namespaces, catalog.find("media.measure")) == (("media",), measure)
    with pytest.raises(UnknownNamespaceError, match=r"did you mean media\?"):
        catalog.find("mediaa.measure")
    with pytest.raises(NotInCatalogError, match=r"did you mean media\.measure\?"):
        catalog.find("media.measures")
    with local(media) as client:
        assert client.submit(area, "tide").result() == 4 * 8
        with pytest.raises(RefusedError, match="scale"):
            client.submit(misfit, "tide")
        with pytest.raises(RefusedError, match="takes no input 'scala'; it takes name, scale"):
            client.submit(misnamed, "tide")
