"""Conditions of machines as text in CEL: what they mean, and what is refused, with line and column."""

import sys
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest

from tidemill import DefinitionError, StateMachine, TraceError
from tidemill.core.conditions import text_of

pytest.importorskip("lark", reason="the extra `cel` is not installed")


class Kind(Enum):
    SHORT = "short"
    LONG = "long"


@dataclass(frozen=True)
class Draft:
    topic: str
    pages: list[str]
    kind: Kind
    notes: dict[str, int]
    best: str | None = None


@dataclass(frozen=True)
class Verdict:
    score: float
    fine: bool


def machine(text: str) -> StateMachine:
    made = StateMachine("article")

    @made.state
    def draft(topic: str, least: float = 0.5) -> Draft:
        return Draft(topic, ["a", "b"], Kind.LONG, {"stars": 3})

    @made.state
    def check(draft: Draft = draft.output) -> Verdict:
        return Verdict(0.5, fine=True)

    draft.otherwise(to=check)
    check.when(text, to=made.end("success", output=draft.output))
    check.otherwise(to=made.end("failure", status="not fine"))
    return made


TEXTS: dict[str, tuple[str, bool]] = {
    "check.score >= 0.8 && size(draft.pages) > 2": ("(check.score >= 0.8) and (size(draft.pages) > 2)", False),
    "check.score * 2 >= 1.0": ("(check.score * 2) >= 1.0", True),
    "!(check.score > least) || check.fine": ("(not (check.score > least)) or (check.fine)", True),
    "!check.fine": ("not (check.fine)", False),
    "draft.kind == 'long'": ("draft.kind == 'long'", True),
    'draft.kind in ["short"]': ("draft.kind in ['short']", False),
    "'a' in draft.pages": ("'a' in draft.pages", True),
    'draft.pages.contains("z")': ("'z' in draft.pages", False),
    'topic.contains("ea")': ("'ea' in topic", True),
    '"stars" in draft.notes': ("'stars' in draft.notes", True),
    "draft.notes.stars - 1 == 2": ("(draft.notes.stars - 1) == 2", True),
    'draft.notes["stars"] % 2 == 1': ("(draft.notes.stars % 2) == 1", True),
    "draft.pages[0] == 'a'": ("draft.pages[0] == 'a'", True),
    "draft.pages.size() == 0x2": ("size(draft.pages) == 2", True),
    "draft.best == null": ("not (draft.best is present)", True),
    "has(draft.best)": ("has(draft.best)", False),
    "status(draft) == 'success'": ("status(draft) == 'success'", True),
    "-check.score < -0.4 // a note": ("(0 - check.score) < -0.4", True),
    "1 + check.score\n  > 1.4": ("(1 + check.score) > 1.4", True),
    r"topic == 's\u0065a' || topic != r'\n'": ("(topic == 'sea') or (topic != '\\\\n')", True),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_means_what_the_same_in_python_means(text: str) -> None:
    made = machine(text)
    expected, holds = TEXTS[text]
    condition = made.compiled.workflow.states["check"].transitions[0].when
    assert condition is not None
    assert text_of(condition) == expected
    assert outcome(made) == ("ended well" if holds else "not fine")


def outcome(made: StateMachine) -> str:
    try:
        return "ended well" if made("sea") else ""
    except Exception as error:  # noqa: BLE001  # its text is compared
        return str(error)


REFUSED: dict[str, tuple[int, int, str]] = {
    "check.scor >= 0.8": (1, 1, "no field .scor; did you mean .score?"),
    "check.fine &&\n  chek.fine": (2, 3, "there is no state and no input 'chek'; did you mean 'check'?"),
    "check.score >=": (1, 15, "something is missing here"),
    "": (1, 1, "something is missing here"),
    "check.score >= 0.8 )": (1, 20, "')' cannot stand here"),
    "check.score # 2": (1, 13, "'#' cannot stand here"),
    "check.score >= 'a'": (1, 1, "is never 'a'"),
    "check.score": (1, 1, "is no condition; compare it"),
    "draft.topic.startsWith('a')": (1, 1, "there is no .startsWith(…) of 1 here; there are size(x)"),
    "matches(draft.topic, 'a')": (1, 1, "there is no matches(…) of 2 here"),
    "draft.pages.exists(page, page == 'a')": (1, 1, "there is no .exists(…) of 2 here"),
    "check.fine ? true : false": (1, 1, "? : is not offered here"),
    "{'a': 1}.a == 1": (1, 1, "a map is not offered here"),
    "check.score == 2u": (1, 16, "an unsigned number is not offered here"),
    "1 < 2": (1, 1, "this compares two constants"),
    "true": (1, 1, "this is always True"),
    "draft.topic + 'a' == 'b'": (1, 1, "conditions calculate with numbers"),
    "draft.pages > 3": (1, 1, "cannot be compared by >"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_text_that_means_nothing_is_refused_with_its_place(text: str) -> None:
    line, column, reason = REFUSED[text]
    with pytest.raises(TraceError) as raised:
        _ = machine(text).compiled
    said = str(raised.value)
    assert said.startswith(f"machine article: check.when: the condition, line {line}, column {column}: ")
    assert reason in said
    assert said.endswith(" " * (column - 1 + 4) + "^")


def test_without_the_extra_the_text_is_refused_with_what_to_install(monkeypatch: Any) -> None:
    from tidemill.sdk import cel

    cel._parser.cache_clear()
    monkeypatch.setitem(sys.modules, "lark", None)
    with pytest.raises(DefinitionError, match=r'pip install "tidemill\[cel\]"'):
        machine("check.fine")
    cel._parser.cache_clear()
