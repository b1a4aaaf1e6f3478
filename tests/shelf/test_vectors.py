import math

import numpy as np
import pytest
import shelf_vectors
from shelf_types import Vectors
from shelf_vectors import cosines, embed, packed_mean, unpacked


def likeness(one: str, two: str) -> float:
    rows = unpacked(embed([one, two]))
    return float(cosines(rows, rows)[0, 1])


def test_meaning_is_near_to_its_like() -> None:
    assert likeness("cat", "kitten") > 0.7
    assert likeness("cat", "database") < 0.3
    assert likeness("The sea rises twice a day.", "High water comes every twelve hours.") > 0.4
    assert likeness("The sea rises twice a day.", "Take three eggs and some butter.") < 0.2


def test_a_vector_does_not_depend_on_its_company() -> None:
    texts = ["low water", "a very much longer text about nothing at all " * 9, "bread"]
    together = embed(texts)
    assert together == embed(texts)
    assert together.packed == b"".join(embed([text]).packed for text in texts)
    assert len(together.packed) == 3 * shelf_vectors.DIMENSIONS


def test_no_texts_give_no_vectors() -> None:
    assert embed([]) == Vectors(384, b"")
    assert unpacked(Vectors(384, b"")).shape == (0, 384)


@pytest.mark.parametrize(
    "text", ["", " ", "hi\U0001f600", "a✓", "✓" * 500, "x" * 100_000, "[MASK]", "##", "\0\ufffd", "\ud800"]
)
def test_any_text_gets_a_vector(text: str) -> None:
    row = unpacked(embed([text]))[0]
    assert row.shape == (384,)
    assert np.abs(row).max() == 127


def test_a_word_over_a_hundred_characters_is_unknown_and_so_is_one_with_a_stranger_in_it() -> None:
    vocabulary = shelf_vectors._vocabulary()
    unknown = vocabulary["[UNK]"]
    assert shelf_vectors._token_ids("z" * 101) == [vocabulary["[CLS]"], unknown, vocabulary["[SEP]"]]
    assert shelf_vectors._token_ids("z" * 100) != [vocabulary["[CLS]"], unknown, vocabulary["[SEP]"]]
    assert shelf_vectors._token_ids("a✓") == [vocabulary["[CLS]"], unknown, vocabulary["[SEP]"]]


def test_tokens_are_those_of_the_reference() -> None:
    assert shelf_vectors._token_ids("reading a storybook!") == [101, 3752, 1037, 2466, 8654, 999, 102]


def test_a_long_text_is_read_up_to_the_models_limit() -> None:
    words = "tide " * 254
    assert len(shelf_vectors._token_ids(words + "more words")) == shelf_vectors.MAX_TOKENS
    assert embed([words]).packed == embed([words + "more words"]).packed


def test_products_of_packed_vectors_are_exact_in_single_precision() -> None:
    assert 384 * 127**2 < 2**24
    rows = unpacked(embed(["one", "two", "three"]))
    assert np.array_equal(rows @ rows.T, (rows.astype(np.int64) @ rows.astype(np.int64).T).astype(np.float32))


def test_the_middle_of_one_vector_is_itself() -> None:
    rows = unpacked(embed(["a mill by the sea"]))
    assert np.array_equal(packed_mean(rows), rows[0])
    assert math.isclose(float(cosines(rows, rows)[0, 0]), 1.0)
