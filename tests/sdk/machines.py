"""Machines that the tests of machines use."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from tidemill import Result, StateMachine, TransientError, Worker, all_of, if_some, in_, map_over, status_of, workflow


@dataclass(frozen=True)
class Draft:
    topic: str
    pages: int


@dataclass(frozen=True)
class Verdict:
    score: float
    notes: str


class Ends(NamedTuple):
    first: str
    last: str


press = Worker("press")


@press.task
def caption(photo: str) -> str:
    return photo.upper()


@press.task
def compose(topic: str, captions: list[str], notes: str | None) -> Draft:
    return Draft(topic + (notes or ""), len(captions) + 2 * len(notes or ""))


@press.task
def judge(draft: Draft) -> Verdict:
    return Verdict(draft.pages / 8, "!" * draft.pages)


@press.task(statuses=["needs_review"])
def assess(draft: Draft) -> Draft | Result[Draft]:
    return Result("needs_review", draft) if draft.pages > 3 else draft


@press.task
def ends(words: list[str]) -> Ends:
    return Ends(words[0], words[-1])


@press.task
def fetch(name: str) -> str:
    if name == "late":
        raise TimeoutError("too slow")
    if name == "bad":
        raise ValueError("bad name")
    if name == "busy":
        raise TransientError("busy")
    return name


article = StateMachine("article", doc="Write until the check is content.")


last_verdict = article.previous("check", Verdict)


@article.state
def write(topic: str, photos: list[str], last: Verdict | None = last_verdict) -> Draft:
    notes = if_some(last, then=lambda verdict: verdict.notes, otherwise=lambda: None)
    return compose(topic, map_over(caption, photos), notes)


@article.state
def check(draft: Draft = write.output) -> Verdict:
    return judge(draft)


write.otherwise(to=check)
check.when(
    all_of(check.output.score * 2 >= 1.5, write.output.pages > article.input("least", int) - 1),
    to=article.end("success", output=write.output, status="printed"),
)
check.otherwise(to="write", max_visits=3)

review = StateMachine("review")


@review.state
def look(draft: Draft) -> Draft:
    return assess(draft)


@review.state("second-look")
def again(draft: Draft = look.output, *, style: Literal["long", "short"] = "short") -> Verdict:
    return judge(draft)


look.on("needs_review", to=again)
look.otherwise(to=review.end("success", output=look.output))
again.when(status_of(look.output) == "success", to=review.end("failure", status="cannot be"))
again.when(in_(look.output.topic, ["cats", "dogs"]), to=review.end("success", output=(look.output, again.output)))
again.otherwise(to=review.end("failure", status="not wanted"))

download = StateMachine("download")


@download.state
def get(name: str) -> str:
    return fetch.options(retries=0)(name)


@download.state
def spare() -> str:
    return fetch.options(name="again")("spare")


get.on("transient", to=spare)
get.when(get.output == "odd", to=download.end("failure", status="odd name"))
get.otherwise(to=download.end("success", output=get.output))
get.on("failure", to=download.end("failure"))
spare.otherwise(to=download.end("success", output=spare.output))

pair = StateMachine("pair")


@pair.state
def split(words: list[str]) -> Ends:
    return ends(words)


@pair.state
def rejoin(both: Ends = split.output, last: str = split.output.last) -> list[str]:
    return map_over(caption, [both.first, last])


split.otherwise(to=rejoin)
rejoin.otherwise(to=pair.end("success", output={"words": rejoin.output, "ends": split.output}))


@workflow
def magazine(topics: list[str], photos: list[str]) -> list[Draft]:
    return map_over(lambda topic: article(topic=topic, photos=photos, least=2), topics, name="articles")


nested = StateMachine("nested")


@nested.state
def inner(topic: str, photos: list[str]) -> Draft:
    draft: Draft = article(topic, photos, least=1)
    return draft


inner.otherwise(to=nested.end("success", output=inner.output))
