import random
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import shelf_index
import shelf_page
from shelf_types import Unread

from tests.shelf.plain_run import SAMPLES, Run, files_of, run, text_item

HOSTILE = [
    "<script>window.caught = 1</script>.txt",
    '"><img src=x onerror="window.caught = 1">.txt',
    "'onmouseover='window.caught=1'.txt",
    "</title></style><svg onload=window.caught=1>",
    "&lt;b&gt; ${title} $title {x}.txt",
    "line\nbreak\u202egpj.exe",
    "ünï 文件 \U0001f30a.md",
]


class Page(HTMLParser):
    """Every tag with its attributes, and the text of scripts."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    handle_startendtag = handle_starttag


@pytest.fixture(scope="module")
def samples() -> Run:
    return run(files_of(SAMPLES))


@pytest.fixture(scope="module")
def hostile() -> bytes:
    items = [
        text_item(name, f"{name.splitlines()[0]} says </p></article></main><script>window.caught = 1</script>")
        for name in HOSTILE
    ]
    unread = [Unread(name, 1, "<b>", f"because of {name}") for name in HOSTILE]
    return shelf_page.render(shelf_index.build(HOSTILE[0], items, unread), {})


def test_page_and_index_are_the_same_bytes_again_and_in_any_order(samples: Run) -> None:
    shuffled = files_of(SAMPLES)
    random.Random(1).shuffle(shuffled)
    again = run(shuffled)
    assert again.page() == samples.page()
    assert again.document() == samples.document()


def test_nothing_of_the_machine_gets_into_the_results(samples: Run, tmp_path: Path) -> None:
    for content in (samples.page(), samples.document()):
        assert str(SAMPLES).encode() not in content
        assert str(Path.home()).encode() + b"/" not in content


def test_the_page_names_every_file_and_what_could_not_be_read(samples: Run) -> None:
    page = samples.page().decode()
    names = [name for name, _ in files_of(SAMPLES)]
    assert len(names) == 30
    for name in names:
        assert name.rpartition("/")[2] in page, name
    assert "the picture is cut short" in page
    assert f"<b>{len(names)} files</b>" in page


def test_the_page_asks_nobody_for_anything(samples: Run) -> None:
    tags = Page(samples.page()).tags
    for tag, attributes in tags:
        for key in ("src", "href", "action", "poster", "srcset", "xlink:href"):
            if value := attributes.get(key):
                assert value.startswith(("#", "data:")), (tag, value)
    assert re.search(rb"@import|url\((?!#)|fetch\(|XMLHttp|WebSocket", samples.page()) is None


def test_links_within_the_page_lead_somewhere(samples: Run) -> None:
    tags = Page(samples.page()).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    links = {attributes["href"] for tag, attributes in tags if tag == "a"}
    assert len(ids) == len(set(ids))
    assert len(links) > 20
    assert all(link is not None and link[1:] in ids for link in links)


def test_hostile_names_and_texts_stay_text(hostile: bytes) -> None:
    tags = Page(hostile).tags
    assert [tag for tag, _ in tags].count("script") == 1
    assert not any(key.startswith("on") for _, attributes in tags for key in attributes)
    assert not any(tag == "img" for tag, _ in tags)
    assert "\u202e" not in hostile.decode()
    assert "$title" in hostile.decode()


def test_the_pages_own_style_and_script_are_what_its_policy_lets_run(samples: Run) -> None:
    page = samples.page().decode()
    for kind in ("style", "script"):
        (content,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page, flags=re.DOTALL)
        assert f"{kind}-src '{shelf_page._policy_hash(content)}'" in page


def test_an_empty_folder_has_a_page() -> None:
    page = run([]).page().decode()
    assert "<b>0 files</b>" in page


def test_a_name_that_is_no_unicode_does_not_stop_the_page() -> None:
    assert shelf_page.render(shelf_index.build("x", [text_item("bad\udc80name.txt", "text")], []), {})
