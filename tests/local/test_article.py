"""The example that the guides begin with: write, check, ask a person, print by a DAG."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import pytest

from tidemill import Approval, StateMachine, Worker, approval, if_some, map_over
from tidemill.client.remote import AsyncRun
from tidemill.testing.local import local

media = Worker("media")


@dataclass(frozen=True)
class Draft:
    topic: str
    pages: int


@dataclass(frozen=True)
class Verdict:
    score: float
    notes: str


@media.task
async def caption(photo: str) -> str:
    return photo.upper()


@media.task
def compose(topic: str, captions: list[str], notes: str | None) -> Draft:
    return Draft(topic, len(captions) + len(notes or ""))


@media.task
def judge(draft: Draft) -> Verdict:
    return Verdict(draft.pages / 4, "!!")


@media.task
def pdf(draft: Draft) -> str:
    return f"{draft.topic}.pdf"


@media.task
def html(draft: Draft) -> str:
    return f"{draft.topic}.html"


@media.task
def bundle(pdf: str, html: str) -> list[str]:
    return [pdf, html]


def made(within: timedelta) -> StateMachine:
    article = StateMachine("article")
    before = article.previous("check", Verdict)

    @article.state
    def write(topic: str, photos: list[str], last: Verdict | None = before) -> Draft:
        notes = if_some(last, then=lambda verdict: verdict.notes, otherwise=lambda: None)
        return compose(topic, map_over(caption, photos), notes)

    @article.state
    def check(draft: Draft = write.output) -> Verdict:
        return judge(draft)

    @article.state
    def approve(draft: Draft = write.output) -> Approval[Literal["yes", "no"]]:
        return approval("Publish?", choices=("yes", "no"), shows=draft, within=within)

    publish = article.dag("publish", draft=write.output)
    pages, web = publish.add(pdf), publish.add(html)
    both = [pages, web] >> publish.add(bundle)

    write.otherwise(to=check)
    check.when(check.output.score >= 0.8, to=approve)
    check.otherwise(to=write, max_visits=5)
    approve.when(approve.output.choice == "yes", to=publish)
    approve.on("timeout", to=article.end("failure", status="nobody decided"))
    approve.otherwise(to=write)
    publish.otherwise(to=article.end("success", output=both.output))
    return article


async def asked(run: AsyncRun[object], path: str) -> None:
    """Wait until the run asks for an approval."""
    async with asyncio.timeout(20):
        async for event in run.events():
            if event.kind == "state_entered" and event.path == path:
                break
        while path not in {wait.step.partition("/")[0] for wait in await run.waits()}:  # noqa: ASYNC110  # it is next
            await asyncio.sleep(0.01)


async def test_a_person_sends_it_back_once_and_then_it_is_printed() -> None:
    async with local(media) as client:
        run = await client.submit(made(timedelta(days=2)), topic="cats", photos=["a", "b"])
        for path, choice in (("approve#1", "no"), ("approve#2", "yes")):
            await asked(run, path)
            await run.approve(choice, who="editor")
        assert await run.result(timeout=20) == ["cats.pdf", "cats.html"]
        visits = [visit.path for visit in await run.visits()]
        assert visits[4:] == ["approve#1", "write#3", "check#3", "approve#2", "publish#1"]
        assert (await run.state("approve"))["choice"] == "yes"


async def test_when_nobody_decides_the_transition_by_timeout_is_taken() -> None:
    async with local(media) as client:
        run = await client.submit(made(timedelta(milliseconds=50)), topic="cats", photos=["a", "b"])
        with pytest.raises(Exception, match="nobody decided"):
            await run.result(timeout=20)
        assert (await run.visits())[-1].status == "timeout"
