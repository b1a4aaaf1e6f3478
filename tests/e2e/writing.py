"""A machine that writes until a check is content, then prints by a DAG; for a real worker."""

from dataclasses import dataclass

from tidemill import Result, StateMachine, Worker, if_some, map_over

desk = Worker("desk")


@dataclass(frozen=True)
class Draft:
    topic: str
    pages: int


@dataclass(frozen=True)
class Verdict:
    score: float
    notes: str


@desk.task
def caption(photo: str) -> str:
    return photo.upper()


@desk.task
def compose(topic: str, captions: list[str], notes: str | None) -> Draft:
    return Draft(topic + (notes or ""), len(captions) + len(notes or ""))


@desk.task(statuses=["hopeless"])
def judge(draft: Draft) -> Result[Verdict]:
    hopeless = draft.topic == "nothing"
    return Result("hopeless" if hopeless else "success", Verdict(draft.pages / 5, "!" * draft.pages))


@desk.task
def is_long(draft: Draft) -> bool:
    return draft.pages > 4


@desk.task
def pdf(draft: Draft) -> str:
    return f"{draft.topic}.pdf"


@desk.task
def html(draft: Draft) -> str:
    return f"{draft.topic}.html"


@desk.task
def bundle(pdf: str, html: str | None) -> list[str]:
    return [pdf, *filter(None, [html])]


article = StateMachine("article", doc="Write until the check is content, then print.")


@article.state
def write(topic: str, photos: list[str], last: Verdict | None = article.previous("check", Verdict)) -> Draft:  # noqa: B008
    notes = if_some(last, then=lambda verdict: verdict.notes, otherwise=lambda: None)
    return compose(topic, map_over(caption, photos), notes)


@article.state
def check(draft: Draft = write.output) -> Verdict:
    return judge(draft)


publish = article.dag("publish", draft=write.output)
pages = publish.add(pdf)
web = publish.add(html, when=~publish.add(is_long))
both = [pages, web] >> publish.add(bundle)

write.otherwise(to=check)
check.on("hopeless", to=article.end("failure", status="nobody can write this"))
check.when("check.score * 2 >= 1.6 && size(write.topic) > 3", to=publish)
check.otherwise(to=write, max_visits=4)
publish.otherwise(to=article.end("success", output=both.output, status="printed"))
