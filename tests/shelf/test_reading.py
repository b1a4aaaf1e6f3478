import random
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import shelf_reading
from shelf_documents import words_of_document
from shelf_kinds import identify
from shelf_markup import words_of_markup
from shelf_types import UnreadableError

from tests.shelf.plain_run import SAMPLES

WORD = '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{}</w:body></w:document>'


def zipped(path: Path, **parts: str) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), content)
    return path


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("utf-8-sig"), "Grüße"),
        ("Grüße".encode("utf-16"), "Grüße"),
        ("Grüße, Welt".encode("utf-16-le"), "Grüße, Welt"),
        ("Grüße, Welt".encode("utf-16-be"), "Grüße, Welt"),
        ("Grüße".encode("utf-32"), "Grüße"),
        ("Grüße".encode("latin-1"), "Grüße"),
        ("“so”".encode("cp1252"), "“so”"),
        ("Grüße €".encode()[:-1], "Grüße "),
        (b"", ""),
    ],
)
def test_the_encoding_follows_the_rule(content: bytes, text: str) -> None:
    assert shelf_reading.decoded(content) == text


def test_any_bytes_decode_to_something_that_can_be_written() -> None:
    chance = random.Random(4)
    for length in (1, 2, 3, 50, 999):
        shelf_reading.decoded(chance.randbytes(length)).encode("utf-8")


def test_nul_bytes_and_controls_do_not_reach_the_text(tmp_path: Path) -> None:
    path = tmp_path / "odd.txt"
    path.write_bytes(b"one\0two\x1b[31m three\r\nfour\r\n\r\nfive \xe2\x80\xae six")
    reading = shelf_reading.read(path, "odd.txt", identify(SAMPLES / "harbour/low-water.txt"))
    assert [passage.text for passage in reading.passages] == ["onetwo[31m three\nfour\n\nfive  six"]


def test_every_sample_text_is_read_without_a_note() -> None:
    for path in sorted(SAMPLES.rglob("*")):
        if path.is_file() and identify(path).group == "text":
            reading = shelf_reading.read(path, path.name, identify(path))
            assert reading.passages, path
            assert reading.note == "", path


def test_a_long_text_is_capped_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("The water comes and the water goes, and nobody counts it. " * 40_000)
    reading = shelf_reading.read(path, "long.txt", identify(path))
    assert len(reading.passages) == 64
    assert reading.note == "only the first MiB is read; only the first 64 passages are indexed"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pictures/tide-mill_at-Dusk.png", ["tide mill at Dusk"]),
        ("TideMill2024.png", ["Tide Mill"]),
        ("IMG_2041.jpg", []),
        ("DSC00017.JPG", []),
        ("潮.png", []),
        ("ab.png", []),
        ("Hafenmauer im Frühling.webp", ["Hafenmauer im Frühling"]),
        ("noending", ["noending"]),
    ],
)
def test_a_picture_is_read_by_its_name(name: str, words: list[str]) -> None:
    assert [passage.text for passage in shelf_reading.read_name(name).passages] == words


def test_markup_gives_what_a_reader_sees() -> None:
    source = (
        "<!doctype html><title>Mill</title><style>p{}</style><script>alert('x')</script><h1>Mill</h1>"
        "<p>One <b>bo</b>ld&nbsp;word &lt;b&gt;<!-- not this --><br>next<ul><li>a<li>b</ul><p>open"
    )
    assert words_of_markup(source) == "Mill\n\nOne bold word <b>\n\nnext\n\na\n\nb\n\nopen"


@pytest.mark.parametrize(
    "trap", ["<", "<a ", "<!", "<!--", "</", "&", "&#", "<?", "<a b='", "<script>", "<title>", "<![CDATA["]
)
def test_broken_markup_takes_no_time(trap: str) -> None:
    words_of_markup(trap * (400_000 // len(trap)) + ">")
    words_of_markup(trap * (400_000 // len(trap)))


def test_a_word_document_gives_its_paragraphs(tmp_path: Path) -> None:
    first = "<w:p><w:r><w:t>First </w:t></w:r><w:r><w:t>words</w:t></w:r></w:p>"
    body = f"{first}<w:p/><w:p><w:r><w:t>Second</w:t></w:r></w:p>"
    path = zipped(tmp_path / "a.docx", word__document_xml=WORD.format(body))
    assert words_of_document(path, "a.docx", "docx") == "First words\n\nSecond"


def test_an_open_document_gives_its_paragraphs(tmp_path: Path) -> None:
    content = '<o xmlns:t="urn:text"><t:h>Title</t:h><t:p>One <t:span>two</t:span></t:p></o>'
    assert words_of_document(zipped(tmp_path / "a.odt", content_xml=content), "a.odt", "odt") == "Title\n\nOne two"


def test_slides_come_in_their_order(tmp_path: Path) -> None:
    slides = {
        f"ppt__slides__slide{n}_xml": f'<s xmlns:a="urn:a"><a:p><a:t>slide {n}</a:t></a:p></s>' for n in (10, 2, 1)
    }
    path = zipped(tmp_path / "a.pptx", **slides)
    assert words_of_document(path, "a.pptx", "pptx") == "slide 1\n\nslide 2\n\nslide 10"


def test_a_book_is_read_along_its_spine(tmp_path: Path) -> None:
    path = tmp_path / "a.epub"
    with ZipFile(path, "w") as archive:
        archive.writestr("META-INF/container.xml", '<c><rootfiles><rootfile full-path="OPS/p.opf"/></rootfiles></c>')
        items = '<item id="b" href="two%20b.xhtml"/><item id="a" href="../one.xhtml"/>'
        archive.writestr(
            "OPS/p.opf", f'<p><manifest>{items}</manifest><spine><itemref idref="a"/><itemref idref="b"/></spine></p>'
        )
        archive.writestr("one.xhtml", "<!DOCTYPE html><html><body><p>One</p></body></html>")
        archive.writestr("OPS/two b.xhtml", "<html><body><p>Two</p></body></html>")
    assert words_of_document(path, "a.epub", "epub") == "One\n\nTwo"


def test_a_zip_bomb_is_refused_whatever_it_claims(tmp_path: Path) -> None:
    path = zipped(tmp_path / "bomb.docx", word__document_xml=WORD.format("<w:p/>" + " " * 60_000_000))
    assert path.stat().st_size < 100_000
    with pytest.raises(UnreadableError, match=r"^bomb\.docx: a part of the document unpacks to more than 8 MiB$"):
        words_of_document(path, "bomb.docx", "docx")
    lying = path.read_bytes().replace((60_000_000 + len(WORD) + 4).to_bytes(4, "little"), (500).to_bytes(4, "little"))
    path.write_bytes(lying)
    with pytest.raises(UnreadableError, match=r"^bomb\.docx: "):
        words_of_document(path, "bomb.docx", "docx")


def test_an_entity_bomb_is_refused(tmp_path: Path) -> None:
    laughs = '<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><d>&b;</d>'
    with pytest.raises(UnreadableError, match="declares XML entities"):
        words_of_document(zipped(tmp_path / "a.docx", word__document_xml=laughs), "a.docx", "docx")


@pytest.mark.parametrize("label", ["docx", "odt", "epub", "xlsx"])
def test_a_damaged_document_names_itself(label: str, tmp_path: Path) -> None:
    path = tmp_path / "broken"
    whole = (SAMPLES / "mill/care-of-the-wheel.docx").read_bytes()
    for content in (b"", b"PK\x03\x04 and then nothing", whole[:700]):
        path.write_bytes(content)
        with pytest.raises(UnreadableError, match=r"^my file: the document is damaged or locked$"):
            words_of_document(path, "my file", label)


def test_too_many_parts_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "many.docx", **{f"part{n}": "" for n in range(5_001)})
    with pytest.raises(UnreadableError, match="more than 5000 parts"):
        words_of_document(path, "many.docx", "docx")
