"""The manifest says what workers offer, and comes back as it was written."""

import json

import jsonschema_rs
import pytest

from tests.interface.offers import judge, write
from tests.schemas import published
from tidemill.interface.manifest import (
    ManifestError,
    manifest_document,
    manifest_of,
    manifest_of_definitions,
    parse_manifest,
    pretty_document,
)

MANIFEST = manifest_of([write, judge])


def test_a_manifest_comes_back_as_it_was() -> None:
    assert parse_manifest(manifest_document(MANIFEST)) == MANIFEST
    assert parse_manifest(pretty_document(MANIFEST).encode()) == MANIFEST


def test_a_manifest_is_valid_by_its_published_schema() -> None:
    validator = jsonschema_rs.validator_for(published()["manifest-1.json"])
    validator.validate(json.loads(manifest_document(MANIFEST)))
    assert not validator.is_valid({"format": 1, "workers": []})


def test_a_manifest_says_what_each_task_takes_gives_and_is_given() -> None:
    tasks = MANIFEST.tasks
    assert list(tasks) == [*judge.tasks, *write.tasks]
    assert tasks["write.compose"].injects == ("ctx",)
    assert tasks["write.compose"].keywords == ("draft",)
    assert tasks["write.list"].injects == ("files",)
    assert tasks["write.list"].options.pool == "slow"
    assert tasks["write.words"].item is not None
    assert tasks["judge-it.shorten"].digest == judge.tasks["judge-it.shorten"].definition.digest
    assert list(tasks["judge-it.shorten"].inputs["properties"]) == ["draft", "verdict", "pages"]
    assert [each.pools for each in MANIFEST.workers] == [{}, {"slow": 2}]


def test_definitions_of_a_server_make_the_same_entries() -> None:
    found = manifest_of_definitions([*write.definitions(), *judge.definitions()])
    assert found.tasks == MANIFEST.tasks
    assert [each.digest for each in found.workers] == [each.digest for each in MANIFEST.workers]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (b"{", "no manifest"),
        (b"[]", "no manifest"),
        (b'{"format": "tidemill.manifest/2", "workers": []}', "install a newer tidemill"),
        (b'{"format": "tidemill.graph/1", "workers": []}', "tidemill discover"),
        (b'{"format": "tidemill.manifest/1", "workers": [{"name": 5}]}', r"\$\.workers\[0\]\.name"),
        (b"\xff", "no manifest"),
        (b"[" * 100_000, "no manifest"),
    ],
)
def test_what_is_no_manifest_is_refused_with_what_is_wrong(document: bytes, told: str) -> None:
    with pytest.raises(ManifestError, match=told):
        parse_manifest(document)
