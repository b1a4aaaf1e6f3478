"""Wrong uses: each line with the mark is refused by each checker, and no other line is. It is never run."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from good import (
    Box,
    Grid,
    Order,
    Shout,
    Size,
    album,
    article,
    assess,
    caption,
    check,
    compose,
    corner,
    count,
    embed,
    extent,
    flip,
    grow,
    label,
    letters,
    media,
    long,
    pages,
    poster,
    publish,
    shout,
    shrink,
    spoken,
    rows_of,
    star,
    style,
    thumb,
    words,
    write,
)
from stubs import Draft, Verdict, judge, notes, parts, pdf, shorten

from tidemill import ReadStore, Receiver, Sender, Shared, Store, WriteStore
from tidemill import webhooks
from tidemill.client.blocking import Run
from tidemill import Retries as RetryRules
from tidemill.testing.simulate import simulate
from tidemill import (
    FOREVER,
    Approval,
    Client,
    Batch,
    Clamp,
    Codec,
    Context,
    Depends,
    Failure,
    Processes,
    Result,
    File,
    Final,
    Graph,
    Task,
    TaskCall,
    TaskFiles,
    TransientError,
    Worker,
    all_of,
    any_of,
    branch,
    call,
    collect,
    default,
    finally_,
    each_of,
    first_of,
    if_some,
    loop,
    map_over,
    ops,
    not_,
    record,
    size,
    some_of,
    status_of,
    stub,
    stub_stream,
    task_named,
    switch,
    workflow,
    Needs,
    Schedule,
    approval,
    sleep_for,
    sleep_until,
    wait_event,
    wait_signal,
)


def use(
    draft: Draft,
    photo: File,
    photos: list[File],
    texts: list[str],
    notes: str | None,
    context: Context,
    files: TaskFiles,
) -> None:
    caption("cat")  # E
    thumb()  # E
    thumb(photo, size=3)  # E
    thumb(photo, "wide")  # E
    thumb(context, photo)  # E
    thumb(photo, ctx=context)  # E
    thumb(photo, 3, files)  # E
    compose("t", caption(photo), None)  # E
    compose("t", words(draft), None)  # E
    compose("t", [photo], None)  # E
    judge(caption(photo))  # E
    judge(assess(3))  # E
    judge(corner(photo))  # E
    print(thumb(photo).pages)  # E
    print(words(draft).text)  # E
    thumb.fn(photo)  # E
    words.fn(texts)  # E
    thumb.options(retry=3)  # E
    thumb.options(retries="3")  # E
    thumb.options(name="small")("cat")  # E
    wrong_result: Task[[File], int] = caption  # E
    wrong_call: Callable[[str], str] = caption  # E
    wrong_item: list[int] = letters("ab")  # E
    print(wrong_result, wrong_call, wrong_item)
    star({"text": "a"})  # E
    star({"text": "a", "stars": "3"})  # E
    Box(1, "2")  # E

    Clamp("1", 8)  # E
    Codec(Grid, str, rows_of, Grid)  # E
    Codec(Grid, list[list[int]], rows_of, len)  # E
    Worker("bad", codecs=[Grid])  # E
    flip([[1]], photo)  # E

    map_over(caption, texts)  # E
    map_over(lambda each: caption(thumb(each)), texts)  # E
    map_over(lambda each: caption(each.path), photos)  # E
    map_over(caption, photo)  # E
    map_over(label, photos)  # E
    map_over(label, texts, photos)  # E
    map_over(label, photos, [1, 2])  # E
    map_over(caption, photos, texts)  # E
    map_over(poster, photos, texts, texts)  # E
    map_over(caption, photos, windows=3)  # E
    map_over(caption, photos, on_failure="collect")  # E
    map_over(caption, photos, name=3)  # E
    compose("t", map_over(thumb, photos), None)  # E
    compose("t", map_over(caption, photos, on_failure=collect), None)  # E
    count(map_over(thumb, photos))  # E

    judge(branch(draft.pages > 4, then=lambda: draft, otherwise=lambda: 3))  # E
    branch(draft, then=lambda: draft, otherwise=lambda: draft)  # E
    branch(draft.pages > 4, then=lambda: draft)  # E
    branch(draft.pages > "4", then=lambda: draft, otherwise=lambda: draft)  # E
    branch(draft.pages > 4, then=draft, otherwise=lambda: draft)  # E
    branch(draft.pages > 4, then=lambda: judge(photo), otherwise=lambda: draft)  # E
    either = branch(draft.pages > 4, then=lambda: draft, otherwise=lambda: None)
    judge(either)  # E
    judge(switch(extent(draft), {Size.SMALL: lambda: draft, Size.LARGE: lambda: 3}))  # E
    judge(switch(extent(draft), {Size.SMALL: lambda: draft}, otherwise=lambda: None))  # E
    switch(draft.pages, {"one": lambda: draft}, otherwise=lambda: draft)  # E
    judge(if_some(notes, then=lambda text: draft, otherwise=lambda: None))  # E
    if_some(notes, then=lambda text: judge(text), otherwise=lambda: draft)  # E
    if_some(notes, then=lambda text: draft)  # E
    switch(extent(draft), {Size.SMALL: lambda: judge(photo)}, otherwise=lambda: draft)  # E
    switch(style(draft), {"long": lambda: draft}, otherwise=lambda: judge(photo))  # E
    judge(switch(style(draft), {"long": lambda: photo, "short": lambda: photo}))  # E
    loop(lambda each: judge(each), draft, until=lambda each: each.pages > 9, limit=3)  # E
    loop(grow, draft, until=lambda each: each.pages, limit=3)  # E
    loop(grow, draft, until=lambda each: each.score > 9, limit=3)  # E
    loop(grow, draft, until=lambda each: each.pages > 9)  # E
    loop(grow, photo, until=lambda each: True, limit=3)  # E
    judge(first_of(lambda: draft, lambda: 3))  # E
    first_of(draft, lambda: draft)  # E
    some_of(lambda: draft, lambda: draft)  # E
    each_of(lambda: judge(photo), lambda: draft)  # E
    ops.add("1", 2)  # E
    caption(ops.item(texts, 0))  # E
    ops.lower(3)  # E
    ops.split("a")  # E
    finally_(caption(photo))  # E
    grow.options(undo=caption)  # E
    caption.options(on_failure=default(3))  # E
    caption.options(on_failure="skip")  # E
    branch(status_of(draft), then=lambda: 1, otherwise=lambda: 2)  # E
    record(Order, copies=2)  # E
    record(Order, draft, copies="2")  # E
    record(Order, draft, sheets=2)  # E
    call(shorten, photo)  # E
    not_(draft)  # E
    all_of(draft.pages > 4, notes)  # E
    any_of(draft)  # E
    size(draft)  # E

    album("cats", photo)  # E
    album("cats")  # E
    judge(draft=photo)  # E
    shorten(draft, pages="4")  # E
    compose(judge(draft), [], None)  # E
    print(judge.fn)  # E
    print(album("cats", photos).score)  # E
    print(album.fn)  # E


def careless(failed: str | Failure, context: Context) -> str:
    context.progress("half")  # E
    context.save_bytes("a", "text")  # E
    context.attempt = 3  # E
    if context.cancelled:
        raise TransientError("later", retry_after="3")  # E
    return failed  # E


@workflow
def other(photo: File) -> Draft:
    return caption(photo)  # E


@workflow
def unfit(photo: File) -> Verdict:
    return judge(pdf(grow(compose(caption(photo), [], None))))  # E


@media.task
def wrong_data(draft: Draft) -> Result[Draft]:
    return Result(status="needs_review", data=3)  # E


@media.task(timeout="60")  # E
def slow() -> None: ...


@media.task(gpu=1)  # E
def fast() -> None: ...


@media.stream  # E
def single() -> int:
    return 1


@media.stream(final=3)  # E
async def odd(topic: str) -> AsyncIterator[str | Final[int]]:
    yield topic


def of_streams(draft: Draft) -> str:
    return spoken("a").final  # E


@stub("review.judge", schema=3)  # E
def unsigned(draft: Draft) -> Verdict:
    return Verdict(0, "")


@dataclass
class Report:
    draft: Draft


def build(photo: File) -> Report:
    return Report(thumb(photo))  # E


@media.middleware  # E
async def lonely(call: TaskCall) -> Any: ...


@media.on_start  # E
def wants(number: int) -> None: ...


Depends("factory")  # E
Depends(grow, scope="worker")  # E


@media.task(batch=Batch(size=2))  # E
def no_list(text: str) -> list[str]:
    return [text]


Needs(cpu=2)  # E
Needs(ram=b"2GiB")  # E
Worker("w", tag=["fast"])  # E
Worker("w", resources={"cores": 4})  # E
thumb.options(needs="2 GPUs")  # E
thumb.options(models=[1])  # E
embed(["tide"])  # E
shout(3)  # E
media.add(Shout(), title="shout")  # E
task_named("media.thumb", File).result  # E


nowhere = Worker("nowhere", backend="process")  # E


@media.task(backend=Processes())  # E
def anywhere(draft: Draft) -> Draft:
    return draft


shrink(3)  # E
shrink(File("a.png"), height=3)  # E
media.program()  # E
media.program(command=["x"], title="x")  # E
judge(notes(Draft("a", 1)))  # E
judge(parts(Draft("a", 1)).final)  # E
notes("draft")  # E
stub_stream("review.one")(len)  # E
webhooks.verify({}, 3, "secret")  # E
webhooks.verify({}, b"", b"secret")  # E
Client().webhooks.add("chat")  # E
Client().webhooks.add("chat", "https://example.org", event="run.failed")  # E
Client().endpoints.serve("/a")  # E
Client().hooks.add("in", "a.b", inputs={"x": 1})  # E


@article.state
def state_1(draft: Draft = check.output) -> Draft:  # E
    return draft


@article.state
def state_2(draft: Draft = write.output.topic) -> Draft:  # E
    return draft


@article.state
def state_3(draft: Draft = write.output) -> Verdict:
    return draft  # E


@article.state
def state_4(last: Verdict = article.previous("check", Verdict)) -> Verdict:  # E
    return last


@article.state
def state_5(last: Draft | None = article.previous("check", Verdict)) -> Draft | None:  # E
    return last


write.when(write.output, to=check)  # E
write.when(write.output.pages > "4", to=check)  # E
write.when(write.output.page > 4, to=check)  # E
write.when(write.output.topic * 2.5 > 3, to=check)  # E
write.otherwise(check)  # E
write.otherwise(to=3)  # E
write.on(3, to=check)  # E
write.otherwise(to=check, max_visits="two")  # E
article.end("ended")  # E
article.start("write")  # E
article.finally_(write)  # E
article.finally_("put_away")  # E
Graph(judge)  # E
Graph(3)  # E
Graph(b"{}").phases(1)  # E
Schedule(name="n", target=judge, cron=5)  # E
Schedule(name="n", target=judge, cron="@daily", overlap="skip")  # E
Schedule("n", judge)  # E
Client().schedules.trigger("n", "2026-03-01")  # E
publish.add(write)  # E
publish.add(pdf, when=pages)  # E
publish.add(pdf, when=~pages)  # E
publish.add(pdf, when=long & pages)  # E
publish.add(pdf, when="long")  # E
pages.output.topic  # E
pages.add_parents("long")  # E
write.otherwise(to=pages)  # E
article.end("success", output=pages.outputs)  # E
Client().options(key=7)  # E
Client().options(on_active="refuse")  # E
Client().pause(tasks="media.thumb")  # E
Client().pause("media.thumb")  # E
Client().run("r").change(priority="high")  # E
Client().bulk("cancel")  # E


def waits(draft: Draft, answer: Approval[Literal["yes", "no"]], client: Client) -> None:
    wait_signal("go", Verdict)  # E
    wait_signal("go", Verdict, within=3)  # E
    wait_signal("go", "Verdict", within=FOREVER)  # E
    wait_signal("go", Verdict, within=FOREVER, key=1.5)  # E
    wait_signal("go", Verdict, within=FOREVER, on_timeout=draft)  # E
    wait_signal("go", Verdict, within=FOREVER, later=draft)  # E
    pdf(wait_signal("go", Verdict, within=FOREVER))  # E
    wait_event("go", within=FOREVER)  # E
    pdf(wait_event("go", Draft, within=FOREVER, on_timeout=lambda: 3))  # E
    approval("Good?", choices="yes", within=FOREVER)  # E
    approval("Good?", choices=("yes",), within=3)  # E
    approval("Good?", choices=("yes", 3), within=FOREVER)  # E
    approval("Good?", choices=("yes", "no"))  # E
    sleep_until(timedelta(days=1), then=lambda: draft)  # E
    sleep_for(5, then=lambda: draft)  # E
    sleep_for(timedelta(days=1))  # E
    answer.choice == "maybe"  # E
    answer.chosen  # E
    client.signal("go", draft)  # E


def shared(
    seen: Store[int], drafts: ReadStore[Draft], notes: WriteStore[str], out: Sender[str], line: Receiver[str]
) -> None:
    seen.set("a", "text")  # E
    drafts.set("a", None)  # E
    notes.get("a")  # E
    notes.increment("a")  # E
    out.send(3)  # E
    out.page()  # E
    line.send("a")  # E
    line.receive()  # E
    Shared("seen", "workflow")  # E


def simulated() -> None:
    simulate(shorten, media).run("a")  # E
    simulate(shorten, media).run()  # E
    simulate(shorten, media).explore(3, "a")  # E
    simulate(shorten, media, faults="kill")  # E
    simulate("shorten", media)  # E
    simulate(shorten, "media")  # E


def retried() -> None:
    RetryRules(by_code={"timeout": "never"})  # E
    RetryRules(within="soon")  # E


def kept(run: Run[int]) -> None:
    run.attempt("shorten")  # E
    run.release(1)  # E
