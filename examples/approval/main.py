"""A text is written, and a person says whether it is published: a state machine that asks, waits, and writes again.

As a program it plays both sides in one process: the run that asks, and somebody who first wants more, then agrees.
`tidemill run examples/approval --topic tides` leaves the answers to you.
"""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from tidemill import Approval, StateMachine, Worker, approval, if_some
from tidemill.client.blocking import Run
from tidemill.testing.local import local

Choice = Literal["publish", "write again"]

press = Worker("press")


@dataclass(frozen=True)
class Draft:
    title: str
    text: str


@press.task
def compose(topic: str, wish: str) -> Draft:
    hint = f" {wish[:1].upper()}{wish[1:]}." if wish else ""
    return Draft(f"All about {topic}", f"There is much to say about {topic}.{hint}")


@press.task
def wish_of(answer: Approval[Choice]) -> str:
    return answer.comment


@press.task
def publish_it(draft: Draft, answer: Approval[Choice]) -> str:
    return f"{draft.title}, published by {answer.who or 'somebody'}: {draft.text}"


article = StateMachine("article")


@article.state
def write(topic: str, answer: Approval[Choice] | None = article.previous("ask", Approval[Choice])) -> Draft:
    return compose(topic, if_some(answer, then=wish_of, otherwise=lambda: ""))


@article.state
def ask(draft: Draft = write.output) -> Approval[Choice]:
    return approval("Publish this?", choices=("publish", "write again"), shows=draft, within=timedelta(days=2))


@article.state
def publish(draft: Draft = write.output, answer: Approval[Choice] = ask.output) -> str:
    return publish_it(draft, answer)


write.otherwise(to=ask)
ask.when(ask.output.choice == "publish", to=publish)
ask.on("timeout", to=article.end("failure", status="nobody answered in two days"))
ask.otherwise(to=write, max_visits=5)
publish.otherwise(to=article.end("success", output=publish.output))


ANSWERS = (("write again", "say when high water comes"), ("publish", "now it is good"))


def asked(run: Run[str]) -> str:
    """Wait until the run asks something; give the path of the step that does."""
    while True:
        for wait in run.waits():
            if wait.kind == "approval" and wait.closed is None:
                print(f"{wait.question} {' or '.join(wait.choices)}?")
                return wait.step
        time.sleep(0.05)


def main() -> None:
    with local(press) as client:
        run: Run[str] = client.submit(article, topic="tides")
        for choice, comment in ANSWERS:
            run.approve(choice, step=asked(run), comment=comment, who="Ann")
            print(f"  {choice}: {comment}")
        print(run.result())


if __name__ == "__main__":
    main()
