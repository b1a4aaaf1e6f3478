import msgspec
import pytest
import shelf_index
from shelf_answers import QuestionError, answer
from shelf_types import Index, Unread

from tests.shelf.plain_run import SAMPLES, files_of, run, text_item

TEXTS = {
    "bread.txt": "Knead the dough, let it rise, and bake the loaf until the crust is brown.",
    "cake.txt": "Beat eggs and sugar, fold in flour, and bake the cake for forty minutes.",
    "tides.txt": "The moon pulls on the ocean, and the water rises and falls twice a day.",
    "nothing.txt": "",
}


@pytest.fixture(scope="module")
def index() -> Index:
    return shelf_index.build("Small", [text_item(*each) for each in TEXTS.items()], [Unread("x", 1, "permanent", "no")])


def test_files_come_as_people_sort_them() -> None:
    names = ["page 10.txt", "Page 2.txt", "page 1.txt", "a/b.txt"]
    index = shelf_index.build("Small", [text_item(name, "words") for name in names], [])
    assert [item.name for item in index.items] == ["a/b.txt", "page 1.txt", "Page 2.txt", "page 10.txt"]


def test_what_is_written_can_be_read_back(index: Index) -> None:
    assert shelf_index.decode(shelf_index.encode(index)) == index


def test_order_of_arrival_leaves_no_trace(index: Index) -> None:
    backwards = shelf_index.build("Small", list(reversed(index.items)), list(reversed(index.unread)))
    assert shelf_index.encode(backwards) == shelf_index.encode(index)


@pytest.mark.parametrize(
    "content",
    [b"", b"not json", b"[]", b'{"title":"x"}', b"\xff\xfe", b'{"format":"tidemill.shelf/2"}', b"{" * 5000],
)
def test_what_is_no_index_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(shelf_index.NotAnIndexError, match="not an index of the shelf"):
        shelf_index.decode(content)


def test_an_index_of_another_model_or_with_vectors_missing_is_refused(index: Index) -> None:
    other = Index("t", "another-model", [], [])
    with pytest.raises(shelf_index.NotAnIndexError, match=r"another-model.*index the folder again"):
        shelf_index.decode(shelf_index.encode(other))
    document = msgspec.json.decode(shelf_index.encode(index))
    document["items"][0]["vectors"]["packed"] = ""
    with pytest.raises(shelf_index.NotAnIndexError, match=r"bread\.txt has not one vector per passage"):
        shelf_index.decode(msgspec.json.encode(document))


def test_the_nearest_file_is_the_one_about_the_same_thing(index: Index) -> None:
    names = [item.name for item in index.items]
    near = {
        names[place]: [names[each.place] for each in found]
        for place, found in enumerate(shelf_index.neighbours(index.items))
    }
    assert near["bread.txt"][0] == "cake.txt"
    assert near["cake.txt"][0] == "bread.txt"
    assert near["tides.txt"] == []
    assert near["nothing.txt"] == []


def test_neighbours_of_few_files_are_none() -> None:
    assert shelf_index.neighbours([]) == []
    assert shelf_index.neighbours([text_item("a.txt", "alone")]) == [[]]


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("How long do I bake the brown bread?", "kitchen/brown-bread.md"),
        ("What is a neap tide?", "tides/spring-and-neap.txt"),
        ("What happens when a lease runs out?", "workshop/what-durable-means.md"),
        ("How do millstones cut the grain?", "mill/millstones.html"),
        ("a lighthouse in the dark", "harbour/lighthouse-at-night.webp"),
        ("With what are the bearings greased, tallow or oil?", "mill/care-of-the-wheel.docx"),
    ],
)
def test_a_question_finds_its_file(question: str, name: str, samples: Index) -> None:
    hits = answer(question, samples, top=3)
    assert name in [hit.name for hit in hits]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


@pytest.fixture(scope="module")
def samples() -> Index:
    return run(files_of(SAMPLES)).index


def test_a_question_gets_as_many_passages_as_there_are(index: Index) -> None:
    assert len(answer("bread", index, top=50)) == 3
    assert answer("bread", Index("empty", index.model, [], [])) == []


@pytest.mark.parametrize(("question", "top"), [("", 5), (" \n", 5), ("bread", 0), ("bread", 51)])
def test_a_question_that_cannot_be_asked_is_refused(question: str, top: int, index: Index) -> None:
    with pytest.raises(QuestionError):
        answer(question, index, top)
