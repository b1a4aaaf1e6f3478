import io
import re
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import shelf_pictures
from PIL import Image
from shelf_types import UnreadableError

from tests.shelf.plain_run import SAMPLES

PICTURES = [path for path in sorted(SAMPLES.rglob("*.*")) if path.suffix in {".jpg", ".png", ".webp", ".gif"}]
WHOLE = [path for path in PICTURES if "broken" not in path.name]


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has next to no pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.name)
def test_a_thumbnail_is_small_webp_and_always_the_same(path: Path) -> None:
    facts, thumbnail = shelf_pictures.look(path, path.name)
    assert (facts, thumbnail) == shelf_pictures.look(path, path.name)
    with Image.open(io.BytesIO(thumbnail)) as image:
        assert (image.format, max(image.size)) == ("WEBP", 320)
    with Image.open(path) as image:
        assert {facts.width, facts.height} == set(image.size)


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.name)
def test_a_palette_has_up_to_five_colours_by_share(path: Path) -> None:
    palette = shelf_pictures.look(path, path.name)[0].palette
    shares = [swatch.share for swatch in palette]
    assert 2 <= len(palette) <= 5
    assert shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) < 1.003  # each is rounded
    assert all(re.fullmatch("#[0-9a-f]{6}", swatch.colour) for swatch in palette)


def test_the_colours_are_those_of_the_picture(tmp_path: Path) -> None:
    image = Image.new("RGB", (100, 100), (200, 30, 30))
    image.paste((20, 40, 180), (0, 0, 100, 25))
    palette = shelf_pictures.look(saved(image, tmp_path / "flag.png"), "flag.png")[0].palette
    assert [(swatch.colour, swatch.share) for swatch in palette] == [("#c81e1e", 0.75), ("#1428b4", 0.25)]


def test_a_picture_is_shown_upright(tmp_path: Path) -> None:
    marks = Image.Exif()
    marks[0x0112] = 6
    path = saved(Image.new("RGB", (400, 200), "teal"), tmp_path / "lying.jpg", exif=marks)
    facts, thumbnail = shelf_pictures.look(path, "lying.jpg")
    assert (facts.width, facts.height) == (200, 400)
    assert Image.open(io.BytesIO(thumbnail)).size == (160, 320)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_every_pixel_mode_can_be_shown(mode: str, tmp_path: Path) -> None:
    values = np.linspace(0, 60_000, 64 * 64).reshape(64, 64)
    deep = {"I;16": np.uint16, "I": np.int32, "F": np.float32}
    shades = Image.fromarray((values / 256).astype(np.uint8))
    image = (
        Image.fromarray(values.astype(deep[mode])) if mode in deep else shades.convert("RGBA" if mode == "PA" else mode)
    )
    suffix = "png" if mode in {"LA", "PA", "RGBA", "P"} else "tiff"
    facts, thumbnail = shelf_pictures.look(saved(image, tmp_path / f"any.{suffix}"), "any")
    assert (facts.width, facts.height) == (64, 64)
    assert facts.palette
    assert Image.open(io.BytesIO(thumbnail)).size == (64, 64)


def test_a_clear_picture_has_no_colours(tmp_path: Path) -> None:
    path = saved(Image.new("RGBA", (40, 40), (255, 0, 0, 0)), tmp_path / "clear.png")
    assert shelf_pictures.look(path, "clear.png")[0].palette == []


def test_one_pixel_and_one_line_are_pictures(tmp_path: Path) -> None:
    for size in ((1, 1), (5000, 1), (1, 5000)):
        path = saved(Image.new("RGB", size, "red"), tmp_path / "thin.png")
        facts, thumbnail = shelf_pictures.look(path, "thin.png")
        assert (facts.width, facts.height) == size
        assert max(Image.open(io.BytesIO(thumbnail)).size) <= 320


def test_a_picture_cut_short_says_so_and_names_itself() -> None:
    with pytest.raises(UnreadableError, match=r"^harbour/broken\.jpg: the picture is cut short$"):
        shelf_pictures.look(SAMPLES / "harbour/broken-off-download.jpg", "harbour/broken.jpg")


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.name)
@pytest.mark.parametrize("keep", [0.05, 0.6])
def test_no_truncated_picture_gets_through(path: Path, keep: float, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    if path.suffix == ".gif" and keep > 0.5:
        shelf_pictures.look(part, "part")  # its first frame is whole
        return
    with pytest.raises(UnreadableError, match=r"^part: ") as caught:
        shelf_pictures.look(part, "part")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (9_000, 9_000), (2**31 - 1, 2**31 - 1)])
def test_a_claim_of_huge_size_is_refused_before_any_pixel(width: int, height: int, tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(width, height))
    with pytest.raises(UnreadableError, match="64 million"):
        shelf_pictures.look(path, "bomb.png")


@pytest.mark.parametrize(
    "content", [b"", b"no picture at all", b"\x89PNG\r\n\x1a\n", png_header(0, 0), png_header(50, 50)]
)
def test_what_is_no_picture_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "no.png"
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match=r"^no\.png: "):
        shelf_pictures.look(path, "no.png")


@pytest.mark.filterwarnings("default")  # Pillow warns of odd metadata and reads on
def test_a_single_wrong_byte_is_an_error_or_a_picture_never_a_crash(tmp_path: Path) -> None:
    whole, path = (SAMPLES / "tides/moon-phases.png").read_bytes(), tmp_path / "bitten.png"
    for place in range(8, len(whole), len(whole) // 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with suppress(UnreadableError):
            shelf_pictures.look(path, "bitten.png")


def test_a_missing_file_is_the_disks_trouble(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        shelf_pictures.look(tmp_path / "gone.png", "gone.png")
