from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from shelf_passages import MAX_PASSAGES, cut

PROSE = st.text(alphabet=st.sampled_from("aé文 .!?\n\t#,x-"), max_size=1500)


@settings(deadline=None)
@given(PROSE)
def test_passages_are_slices_of_the_text_and_leave_no_word_out(text: str) -> None:
    passages = cut(text)
    covered = set()
    for passage in passages:
        assert text[passage.start : passage.start + len(passage.text)] == passage.text
        assert passage.text.strip() == passage.text != ""
        covered.update(range(passage.start, passage.start + len(passage.text)))
    assert all(text[place].isspace() for place in set(range(len(text))) - covered)


@settings(deadline=None)
@given(PROSE)
def test_passages_go_forward(text: str) -> None:
    assert all(
        one.start < two.start and one.start + len(one.text) < two.start + len(two.text)
        for one, two in pairwise(cut(text))
    )


def test_a_passage_inside_a_paragraph_hands_on_its_last_sentence() -> None:
    text = " ".join(f"Sentence number {number} has eight short words here." for number in range(40))
    one, two = cut(text)[:2]
    last = one.text.rpartition(". ")[2]
    assert two.text.startswith(last)


def test_a_passage_that_ends_with_its_paragraph_hands_on_nothing() -> None:
    paragraph = " ".join(f"Sentence number {number} has eight short words here." for number in range(8))
    passages = cut(f"{paragraph}\n\n{paragraph}")
    assert [passage.text for passage in passages] == [paragraph, paragraph]


def test_a_short_text_is_one_passage() -> None:
    assert [passage.text for passage in cut("  \n One line.\n\nAnother.\n")] == ["One line.\n\nAnother."]
    assert cut(" \n\t ") == []


def test_an_endless_line_is_cut_and_an_endless_text_stops() -> None:
    passages = cut("word" * 100_000)
    assert len(passages) == MAX_PASSAGES + 1
    assert max(len(passage.text) for passage in passages) < 1200
