"""A Directory is a folder as a value: its names and digests; what leads out of it is refused."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill import Client, Context, Directory, File, RunFailedError, TaskFiles, Worker, injected, workflow
from tidemill.core.ids import digest_of
from tidemill.core.values import Encoding, Given, Inline
from tidemill.sdk.directory import check_name
from tidemill.sdk.errors import DoesNotFitError, NoLocalCopyError
from tidemill.sdk.plans import plan_of
from tidemill.testing.local import local

TREE = {"a.txt": b"cat", "deep/er/b.bin": b"\xff\x00", "deep/.hidden": b"", "c.txt": b"cat"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return plant(tmp_path / "photos", TREE)


def plant(root: Path, tree: dict[str, bytes]) -> Path:
    for name, data in tree.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def tree_of(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@dataclass
class Album:
    title: str
    photos: Directory
    older: list[Directory]


def test_it_travels_as_names_and_digests_both_ways(folder: Path) -> None:
    (folder / "empty").mkdir()
    album = Album("cats", Directory(folder), [Directory(folder / "deep", name="x")])
    plan = plan_of(Album)
    encoded = plan.encode(album)
    assert set(encoded.refs) == {digest_of(data) for data in TREE.values()}
    assert sorted({local.digest for local in encoded.local}) == sorted(encoded.refs)
    plain = plan.plain(album)
    jsonschema_rs.validate(plan.schema, plain)
    assert list(plain["photos"]["$directory"]) == sorted(TREE)
    for value in (encoded.inline, Inline(msgspec.json.encode(plain), Encoding.JSON)):
        found = plan.decode(Given(value))
        assert found == album
        assert (found.photos.name, found.photos.size, found.older[0].name) == ("photos", 8, "x")
        assert found.photos.digest == album.photos.digest != found.older[0].digest
        with pytest.raises(NoLocalCopyError):
            _ = found.photos.path


def test_a_name_and_no_place_makes_the_value(folder: Path, tmp_path: Path) -> None:
    other = plant(tmp_path / "other" / "photos", dict(reversed(TREE.items())))
    assert plan_of(Directory).encode(Directory(other)).data == plan_of(Directory).encode(Directory(folder)).data
    (other / "a.txt").rename(other / "d.txt")
    assert Directory(other) != Directory(folder)


def test_a_link_or_a_pipe_inside_is_refused(folder: Path, tmp_path: Path) -> None:
    for place, make, said in (
        ("out", lambda path: path.symlink_to(tmp_path), "'out' is a symbolic link"),
        ("deep/in", lambda path: path.symlink_to(folder / "a.txt"), "'deep/in' is a symbolic link"),
        ("pipe", os.mkfifo, "'pipe' is no regular file"),
        ("a\\b", lambda path: path.write_bytes(b""), "is no name for a file in a Directory"),
    ):
        make(folder / place)
        with pytest.raises(DoesNotFitError, match=said):
            plan_of(Directory).encode(Directory(folder))
        (folder / place).unlink()
    with pytest.raises(DoesNotFitError, match="there is no folder 'nowhere'"):
        plan_of(Directory).encode(Directory(tmp_path / "nowhere"))
    with pytest.raises(DoesNotFitError, match="Expected a directory"):
        plan_of(Directory).encode({"a": 1})


FILE = {"$file": "sha256:" + "0" * 64, "size": 3}


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        *(
            ({name: FILE}, "use a relative one without")
            for name in ("../a", "a/../../b", "/etc/passwd", "", ".", "a//b", "./a", "a/", "a\\..\\b", "a\0b", "a\nb")
        ),
        ({"a": FILE, "a/b": FILE}, "'a/b' lies below what is a file"),
        ({"a": 3}, "Expected a file"),
        (["a"], "with the key '\\$directory'"),
    ],
)
def test_a_manifest_that_leads_out_is_refused(manifest: Any, said: str) -> None:
    data = msgspec.json.encode([{"$directory": manifest}])
    with pytest.raises(DoesNotFitError, match=said) as caught:
        plan_of(list[Directory]).decode(Given(Inline(data, Encoding.JSON)))
    assert caught.value.path == "$[0]"


@given(st.text(st.sampled_from("a./\\~\0-é"), max_size=8))
def test_what_passes_as_a_name_stays_inside(name: str) -> None:
    try:
        check_name(name)
    except DoesNotFitError:
        return
    root = Path("/some/folder")
    assert (root / name).is_relative_to(root)
    assert Path(os.path.normpath(root / name)).is_relative_to(root)
    assert os.path.normpath(root / name) == str(root / name)


packs = Worker("packs")


@packs.task
def upper(ctx: Context, album: Album, *, files: TaskFiles = injected) -> Directory:
    assert tree_of(album.photos.path) == TREE
    assert album.photos.path == album.photos.path
    out = Path(files.path_to("out/x")).parent
    for name, each in album.photos.files.items():
        files.write(f"out/{name}.up", each.read().upper())
    assert files.list() == sorted(f"out/{name}.up" for name in TREE)
    return Directory(out)


@packs.task
def names(photos: Directory) -> list[str]:
    return sorted(tree_of(photos.path))


@workflow
def both(album: Album) -> list[str]:
    return names(upper(album))


def test_a_task_has_it_as_a_folder_and_gives_one(folder: Path, tmp_path: Path) -> None:
    album = Album("cats", Directory(folder), [])
    with local(packs) as client:
        assert isinstance(client, Client)
        made = client.submit(upper, album).result()
        assert [*made.files] == sorted(f"{name}.up" for name in TREE)
        assert tree_of(client.download(made, tmp_path / "down")) == {f"{n}.up": d.upper() for n, d in TREE.items()}
        assert client.submit(both, album).result() == sorted(f"{name}.up" for name in TREE)
        form = {"$directory": {"../a": {"$file": made.files["a.txt.up"].digest, "size": 3}}}
        with pytest.raises(RunFailedError, match=r"\$\.photos: '\.\./a' is no name"):
            client.submit_named("packs.names", {"photos": form}).result()


def test_a_plain_call_has_the_folder_itself(folder: Path, tmp_path: Path) -> None:
    assert names(Directory(folder)) == sorted(TREE)
    copy = Directory(folder).copy_to(tmp_path / "copy")
    assert tree_of(copy) == TREE == tree_of(Directory(folder).copy_to(copy))
    assert File(copy / "a.txt") == File(folder / "a.txt")
