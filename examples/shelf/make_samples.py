"""Make the sample files that are not written by hand: pictures, tables, a Word document, and two that nobody can read.

    python make_samples.py samples

The same bytes come out on every run with the same Pillow.
"""

import csv
import io
import sys
from datetime import datetime, timedelta
from math import cos, pi
from pathlib import Path
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
import sample_pictures as draw
from PIL import Image

_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PARTS = {
    "[Content_Types].xml": """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" \
ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" \
ContentType="application/xml"/><Override PartName="/word/document.xml" \
ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>""",
    "_rels/.rels": """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" \
Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" \
Target="word/document.xml"/></Relationships>""",
}
_WHEEL_CARE = """Looking after the water wheel

A wheel that stands still rots faster than one that turns. Wood that is always wet keeps, and wood that is always dry
keeps; it is the board that is wet at noon and dry by evening that goes soft. Turn the wheel by a quarter every week of
the quiet season, so that no paddle hangs in the air all winter.

Every spring: close the sluice, drain the race and look at each paddle from both sides. Knock on the wood with the
handle of a knife. A clear note is sound; a dull one means that the paddle is to be replaced before the summer.

Grease the two bearings of the shaft with tallow, not with oil: oil runs out into the pond, and the first warm day takes
it away. Check the wedges that hold the wheel on its shaft. They work loose as the wood dries, and a wheel that moves on
its shaft cuts itself a wider hole at every turn.

After a storm tide, look for driftwood in the race before you open the sluice. One trunk in the paddles costs more than
a month of flour."""


def main(folder: Path) -> None:
    harbour, kitchen, mill, tides = (folder / name for name in ("harbour", "kitchen", "mill", "tides"))
    for each in (harbour, kitchen, mill, tides):
        each.mkdir(parents=True, exist_ok=True)
    draw.harbour_at_dusk().save(harbour / "harbour-at-dusk.jpg", quality=84)
    draw.lighthouse_at_night().save(harbour / "lighthouse-at-night.webp", quality=84, method=6)
    draw.notice_board().quantize(16, Image.Quantize.MEDIANCUT).save(harbour / "notice-board.png", optimize=True)
    _write_broken_off(draw.harbour_at_dusk(), harbour / "broken-off-download.jpg")
    draw.loaf().save(kitchen / "loaf-of-bread.webp", quality=82, method=6)
    _write_sideways(draw.wheat_field(), kitchen / "wheat-field.jpg")
    draw.tide_mill().quantize(96, Image.Quantize.MEDIANCUT).save(mill / "tide-mill.png", optimize=True)
    _write_moving(draw.turning_wheel(), mill / "turning-wheel.gif")
    (mill / "care-of-the-wheel.docx").write_bytes(_word_document(_WHEEL_CARE))
    draw.moon_phases().save(tides / "moon-phases.png", optimize=True)
    draw.tide_curve().quantize(24, Image.Quantize.MEDIANCUT).save(tides / "spring-and-neap-curve.png", optimize=True)
    draw.wave_interference().save(tides / "wave-interference.jpg", quality=80)
    (tides / "tide-table.csv").write_text(_tide_table(), encoding="utf-8", newline="")
    (tides / "gauge-dump.bin").write_bytes(_gauge_dump())


def _write_moving(frames: list[Image.Image], path: Path) -> None:
    first, *others = frames
    first.save(path, save_all=True, append_images=others, duration=90, loop=0)


def _write_broken_off(picture: Image.Image, path: Path) -> None:
    whole = io.BytesIO()
    picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(whole, "JPEG", quality=70)
    path.write_bytes(whole.getvalue()[:9_000])


def _write_sideways(picture: Image.Image, path: Path) -> None:
    """As a camera held upright stores it: turned, with a mark that says so."""
    marks = Image.Exif()
    marks[0x0112] = 6
    picture.transpose(Image.Transpose.ROTATE_90).save(path, quality=80, exif=marks)


def _tide_table() -> str:
    """High and low water of the sample harbour, from two waves: the moon's (12.42 h) and the sun's (12 h)."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["date", "time", "water", "height_m"])
    start, step = datetime(2025, 3, 1), timedelta(minutes=6)  # noqa: DTZ001 a harbour's table is in its own time
    levels = [_level(minutes / 60.0) for minutes in range(0, 7 * 24 * 60, 6)]
    for index in range(1, len(levels) - 1):
        before, level, after = levels[index - 1 : index + 2]
        if before < level >= after or before > level <= after:
            at = start + index * step
            table.writerow([f"{at:%Y-%m-%d}", f"{at:%H:%M}", "high" if level > after else "low", f"{level:.2f}"])
    return out.getvalue()


def _level(hours: float) -> float:
    return 3.2 + 1.9 * cos(2 * pi * hours / 12.4206) + 0.8 * cos(2 * pi * hours / 12.0 - 0.9)


def _word_document(text: str) -> bytes:
    title, *rest = (" ".join(paragraph.split()) for paragraph in escape(text).split("\n\n"))
    body = f"<w:p><w:pPr><w:pStyle w:val='Title'/></w:pPr><w:r><w:t>{title}</w:t></w:r></w:p>"
    body += "".join(f"<w:p><w:r><w:t>{paragraph}</w:t></w:r></w:p>" for paragraph in rest)
    document = (
        f'<?xml version="1.0" encoding="UTF-8"?><w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>'
    )
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        for name, content in {**_PARTS, "word/document.xml": document}.items():
            part = ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            part.compress_type = ZIP_DEFLATED
            archive.writestr(part, content)
    return out.getvalue()


def _gauge_dump() -> bytes:
    """What a tide gauge might leave: numbers without a word about them."""
    return np.random.default_rng(3).integers(0, 256, 4096, dtype=np.uint8).tobytes()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
