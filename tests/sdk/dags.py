"""Tasks and DAGs that the tests of DAGs use."""

from dataclasses import dataclass
from typing import NamedTuple, TypedDict

from tidemill import Dag, File, StateMachine, Worker, task_named, workflow


@dataclass(frozen=True)
class Draft:
    topic: str
    pages: int


@dataclass(frozen=True)
class Parcel:
    pdf: str
    pages: int
    note: str = "none"


class Sides(NamedTuple):
    front: str
    back: str


class Numbers(TypedDict):
    one: int
    two: int


shop = Worker("shop")


@shop.task
def pdf(draft: Draft) -> str:
    return f"{draft.topic}.pdf"


@shop.task
def html(draft: Draft) -> str:
    return f"{draft.topic}.html"


@shop.task
def bundle(pdf: str, html: str) -> list[str]:
    return [pdf, html]


@shop.task
def sides(draft: Draft) -> Sides:
    return Sides(draft.topic, draft.topic[::-1])


@shop.task
def glue(front: str, back: str) -> str:
    return f"{front}|{back}"


@shop.task
def is_long(draft: Draft) -> bool:
    return draft.pages > 3


@shop.task
def is_even(draft: Draft) -> bool:
    return draft.pages % 2 == 0


@shop.task
def chapters(draft: Draft) -> list[str]:
    return [f"{draft.topic} {page}" for page in range(draft.pages)]


@shop.task
def either(pdf: str | None, html: str | None) -> str:
    return f"{pdf} or {html}"


@shop.task
def tidy() -> str:
    return "tidy"


@shop.task
def pack(parcel: Parcel) -> str:
    return f"{parcel.pdf} {parcel.pages} {parcel.note}"


@shop.task
def copy(draft: Draft) -> Draft:
    return draft


@shop.task
def loose(draft: Draft) -> dict[str, str]:
    return {"topic": draft.topic}


@shop.task
def listing(all_of_it: dict[str, str]) -> list[str]:
    return sorted(f"{name}={value}" for name, value in all_of_it.items())


@shop.task
def numbers(draft: Draft) -> Numbers:
    return Numbers(one=draft.pages, two=2 * draft.pages)


@shop.task
def total(counts: dict[str, int]) -> int:
    return sum(counts.values())


@shop.task
def stamp(pdf: str, width: int = 3) -> str:
    return f"{pdf} {width}"


publish = Dag("publish", draft=Draft, doc="Print it in two forms.")
pages, web = publish.add(pdf), publish.add(html)
both = [pages, web] >> publish.add(bundle)

choosing = Dag("choosing", draft=Draft)
long, even = choosing.add(is_long), choosing.add(is_even)
short_form = choosing.add(html, when=~long)
long_form = choosing.add(pdf, when=long)
joined = [short_form, long_form] >> choosing.add(either)
split = choosing.add(chapters, when=long & even)
tidied = split >> choosing.add(tidy)
odd = choosing.add(sides, when=~(long & even) | even)
glued = odd >> choosing.add(glue)
after_all = [joined, glued] >> choosing.add(tidy, name="after_all")

printing = StateMachine("printing")


@printing.state
def write(topic: str, pages: int) -> Draft:
    return Draft(topic, pages)


release = printing.dag("release", draft=write.output, width=printing.input("width", int))
printed, shown = release.add(pdf), release.add(html, when=release.add(is_long))
stamped = printed >> release.add(stamp)
write.otherwise(to=release)
release.when(stamped.output == "sea.pdf 9", to=printing.end("failure", status="too wide"))
release.when(write.output.pages > 3, to=printing.end("success", output=(stamped.output, shown.output)))
release.otherwise(to=printing.end("success", output=release.output))


@workflow
def twice(draft: Draft) -> list[list[str]]:
    return [publish(draft=draft), publish.options(name="again")(draft=draft)]


far = Dag("far", draft=Draft)
far_pdf = far.add(task_named("far.pdf", File))
far_both = [far_pdf] >> far.add(task_named("far.bundle", list[str]))
