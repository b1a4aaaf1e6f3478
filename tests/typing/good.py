"""Right uses: both checkers accept each line, each workflow compiles. The first part is the example of the tutorial."""

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, TypedDict, assert_type

from stubs import Draft, Verdict, judge, notes, parts, pdf, shorten

from tidemill.client.blocking import Run
from tidemill import webhooks
from tidemill import Retries as RetryRules
from tidemill.testing.faults import Fault, Kind
from tidemill.testing.simulate import simulate
from tidemill.wire.api import RunView
from tidemill import (
    FOREVER,
    Approval,
    AsyncClient,
    Backend,
    Batch,
    BulkAction,
    BulkRequest,
    OnActive,
    RunChange,
    Catalog,
    Clamp,
    Channel,
    Client,
    Code,
    Codec,
    Context,
    Dag,
    Depends,
    Directory,
    Failure,
    File,
    Final,
    Graph,
    LocalTask,
    CatchUp,
    Needs,
    Overlap,
    Schedule,
    Item,
    Numbered,
    OnFailure,
    Proceed,
    ProceedSync,
    Restarted,
    PickleCodec,
    Processes,
    Rest,
    Reach,
    ReadStore,
    Receiver,
    Result,
    Scope,
    Sender,
    Shared,
    Store,
    WriteStore,
    State,
    StateMachine,
    Step,
    Streamed,
    Task,
    TaskCall,
    TaskFiles,
    TransientError,
    Worker,
    Workflow,
    all_of,
    any_of,
    approval,
    branch,
    call,
    collect,
    has,
    default,
    finally_,
    each_of,
    first_of,
    if_some,
    in_,
    injected,
    loop,
    map_over,
    not_,
    ops,
    record,
    size,
    some_of,
    status_of,
    switch,
    task_named,
    workflow,
    sleep_for,
    sleep_until,
    wait_event,
    wait_signal,
)


@dataclass(frozen=True)
class Word:
    text: str


media = Worker("media")
far = Worker(
    "far", backend=Backend.PROCESS, processes=Processes(count=2, max_age=timedelta(hours=1), max_memory_mib=512)
)


@media.task
def thumb(ctx: Context, photo: File, width: int = 256, *, files: TaskFiles = injected) -> File:
    files.write("thumb.png", photo.read()[:width])
    ctx.progress(0.5, "scaled")
    return ctx.save_file(f"{ctx.idempotency_key}.png", files.path_to("thumb.png"))


@media.task(pool="gpu", timeout=60)
async def caption(photo: File, *, files: TaskFiles = injected) -> str:
    await files.awrite("name", photo.name)
    return photo.name


@media.stream
def words(draft: Draft) -> Iterator[Word]:
    yield from map(Word, draft.topic.split())


@media.task
def compose(topic: str, captions: list[str], notes: str | None) -> Draft:
    return Draft(topic, len(captions) + (notes is not None))


@workflow
def album(topic: str, photos: list[File]) -> Draft:
    captions = map_over(lambda photo: caption(thumb(photo)), photos, window=16)
    draft = compose(topic, captions, None)
    return branch(draft.pages > 4, then=lambda: shorten(draft), otherwise=lambda: draft)


# Tasks in every form. What a caller sees is one type, and ``fn`` is the function as it was written.

Style = Literal["long", "short"]


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Box(NamedTuple):
    left: int
    top: int


class Note(TypedDict):
    text: str
    stars: int


@dataclass(frozen=True)
class Order:
    draft: Draft
    copies: int = 1

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError("copies count from 1")


@media.task("crop")
async def crop(ctx: Context, photo: File, box: Box = Box(0, 0), *, files: TaskFiles = injected) -> File:
    return ctx.save_bytes(f"{photo.name}{box.left + box.top}", await files.aread("in"))


@media.task(retries=3, timeout=timedelta(minutes=1), silence=5, queue_timeout=3600.0, priority=2, ignore_unknown=True)
def label(photo: File, text: str) -> File:
    return photo if text else File("empty.png")


@media.task
def poster(photo: File, text: str, size: int) -> File:
    if size > 9:
        raise TransientError("try later", retry_after=timedelta(seconds=3))
    return label(photo, text)


@media.task
def style(draft: Draft) -> Style:
    return "long" if draft.pages > 2 else "short"


@media.task
def extent(draft: Draft) -> Size:
    return Size.LARGE if draft.pages > 2 else Size.SMALL


@media.task
def corner(photo: File) -> Box:
    return Box(len(photo.name), 1)


@media.task
def grow(draft: Draft, by: int = 1) -> Draft:
    return Draft(draft.topic, draft.pages + by)


@media.task(statuses=["needs_review"])
def assess(draft: Draft) -> Result[Draft]:
    return Result(status="needs_review", data=draft) if draft.pages else Result(data=draft)


@media.task
async def reassess(ctx: Context, draft: Draft) -> Result[Draft]:
    return Result(status="failure", error="no pages") if ctx.attempt > 1 else Result(data=draft)


@media.task
def price(order: Order) -> float:
    return 2.5 * order.copies


@media.task
def star(note: Note) -> int:
    return note["stars"]


@media.task
def count(drafts: list[Draft | Failure]) -> int:
    return sum(isinstance(draft, Draft) or draft.code is Code.TRANSIENT for draft in drafts)


@media.task
def nothing() -> None: ...


@media.task
def anything(topic: str, data: Any, bare: dict[str, Any]) -> list[Any]:
    return [data, bare]


@media.stream(retries=1)
async def letters(ctx: Context, word: str) -> AsyncIterator[str]:
    for letter in word:
        ctx.raise_if_cancelled()
        yield letter


async def forms(photo: File, ctx: Context, files: TaskFiles) -> str:
    assert_type(thumb(photo), File)
    assert_type(thumb(photo, width=8), File)
    assert_type(caption(photo), str)
    assert_type(words(Draft("a", 1)), list[Word])
    assert_type(letters("ab"), list[str])
    assert_type(corner(photo), Box)
    assert_type(assess(Draft("a", 1)), Draft)
    assert_type(reassess(Draft("a", 1)), Draft)
    assert_type(assess.fn(Draft("a", 1)), Result[Draft])
    assert_type(await reassess.fn(ctx, Draft("a", 1)), Result[Draft])
    assert_type(nothing.fn(), None)
    assert_type(words.fn(Draft("a", 1)), Iterator[Word])
    assert_type(letters.fn(ctx, "ab"), AsyncIterator[str])
    assert_type(shorten(Draft("a", 1), pages=3), Draft)
    await crop.fn(ctx, photo, Box(1, 2), files=files)
    return await caption.fn(photo, files=files)


plain: Task[[File, str], File] = label
local: LocalTask[[File, str], File, Callable[[File, str], File]] = label
flow: Workflow[[str, list[File]], Draft] = album
small = thumb.options(name="small", retries=2, timeout=timedelta(seconds=5))
heavy = thumb.options(needs=Needs(cpus=2, ram="4GiB", tags=["fast"]), models=["sd15"], queue="night", max_cost=0.5)
box = Worker("box", tags=["fast"], resources={"cpus": 4, "gpus": [{"id": "0", "vram": "24GiB"}]}, labels={"zone": "a"})


@box.task("render", implementation="gpu", needs=Needs(gpus=1, vram=8 * 1024**3, software={"cuda": ">=12"}))
def render(ctx: Context, scene: str) -> str:
    ctx.models.mark_hot("sd15", size="2GiB")
    return ",".join(ctx.granted.gpus)


assert_type(render("sea"), str)
assert_type(render.options(implementation="cpu")("sea"), str)


def room() -> int:
    return assert_type(box.status().free, int)


assert_type(grow.options(priority=3).fn(Draft("a", 1)), Draft)
short = shorten.options(name="short")
plain_short: Callable[[Draft], Draft] = short


# Words


@workflow("atlas")
def atlas(topic: str, photos: list[File], texts: list[str], sizes: list[int], notes: str | None = None) -> list[Draft]:
    assert_type(map_over(label, photos, texts), list[File])
    assert_type(map_over(poster, photos, texts, sizes, window=4), list[File])
    assert_type(map_over(lambda photo, text: caption(label(photo, text)), photos, texts), list[str])
    assert_type(map_over(caption, photos, on_failure=OnFailure.SKIP_DOWNSTREAM), list[str])
    assert_type(map_over(caption, photos, on_failure=collect, name="some_captions"), list[str | Failure])
    posters = map_over(poster, photos, texts, sizes, on_failure=collect, name="posters")
    assert_type(posters, list[File | Failure])

    drafts = map_over(lambda text: compose(text, [topic, text], notes), texts, on_failure=collect, name="drafts")
    count(drafts)
    draft = album(topic, photos)
    assert_type(draft, Draft)
    assert_type(album.options(name="again")(topic, photos), Draft)
    assert_type(branch(draft.pages > 4, then=lambda: draft.pages, otherwise=lambda: None), int | None)

    assert_type(switch(style(draft), {"long": lambda: grow(draft), "short": lambda: draft}), Draft)
    extents = switch(extent(draft), {Size.SMALL: lambda: draft.pages}, otherwise=lambda: None, name="extents")
    assert_type(extents, int | None)
    grown = if_some(notes, then=lambda text: compose(text, [], text), otherwise=lambda: None)
    assert_type(grown, Draft | None)
    assert_type(if_some(notes, then=lambda text: text, otherwise=lambda: topic, name="text"), str)

    best_draft = loop(lambda draft: grow(draft, by=2), draft, until=lambda draft: draft.pages > 9, limit=9)
    assert_type(best_draft, Draft)
    assert_type(loop(grow, draft, until=lambda each: assess(each).pages > 5, limit=3, name="by_score"), Draft)

    assert_type(first_of(lambda: shorten(draft), lambda: grow(draft)), Draft)
    assert_type(first_of(lambda: topic, lambda: draft, rest=Rest.LEAVE, name="race"), str | Draft)
    assert_type(some_of(2, lambda: topic, lambda: draft, lambda: None), list[str | Draft | None])
    assert_type(each_of(lambda: caption(photos[0]), lambda: topic), list[str])
    assert_type(ops.add(draft.pages, 1), int)
    assert_type(ops.divide(draft.pages, 2), float)
    assert_type(ops.join(texts, ", "), str)
    assert_type(ops.item(photos, draft.pages), File)
    assert_type(ops.concat(texts, sizes), list[str | int])
    assert_type(ops.zipped(texts, photos, name="pairs"), list[tuple[str, File]])
    assert_type(ops.more(draft.pages, 3), bool)
    assert_type(ops.fill("{topic}: {pages}", topic=topic, pages=draft.pages), str)
    finally_(lambda: caption(photos[0]))
    assert_type(thumb.options(name="undone", undo=caption)(photos[0]), File)
    safe = grow.options(name="safe", on_failure=default(Draft("none", 0)), after=[best_draft])(draft)
    assert_type(safe, Draft)
    assert_type(caption.options(name="skips", on_failure=OnFailure.SKIP_DOWNSTREAM, after=safe)(photos[0]), str)
    assert_type(branch(status_of(safe) == "failure", then=lambda: 1, otherwise=lambda: 2, name="told"), int)

    order = record(Order, draft, copies=2)
    assert_type(order, Order)
    assert_type(price(order), float)
    left, top = corner(photos[0])
    assert_type((left, top), tuple[int, int])
    assert_type(star(Note(text=topic, stars=top)), int)
    best = assess(draft)
    enough = all_of(size(photos) > 1, not_(size(texts) == 0), any_of(left > 1, best.kind == "long"))
    made = Draft(topic, top)
    return branch(enough, then=lambda: [best, made], otherwise=lambda: [best], name="last")


@workflow
def chain(draft: Draft) -> Draft:
    return call(grow.options(name="more"), call(shorten, draft), by=2)


@workflow
def verdict(draft: Draft) -> Verdict:
    return judge(chain(draft))


@media.task
def pale(width: Annotated[int, Clamp(1, 8)], share: Annotated[float | None, Clamp(high=1.0)] = None) -> int:
    return width + 1


class Grid:
    def __init__(self, rows: list[list[int]]) -> None:
        self.rows = rows


class Mood:
    """As it is pickled."""


def rows_of(grid: Grid) -> list[list[int]]:
    return grid.rows


GridSent = Annotated[Grid, Codec(Grid, list[list[int]], rows_of, Grid)]
coded = Worker("coded", codecs=[Codec(Grid, list[list[int]], rows_of, Grid), PickleCodec(Mood)])


@media.task
def flip(grid: GridSent, photos: Directory) -> GridSent:
    assert_type(photos.files["a.txt"], File)
    return grid


def corrected(run: Run[int]) -> None:
    assert_type(pale(3), int)
    assert_type([each.used for each in run.adjustments()], list[int | float])


# What a worker gives: injection, middleware, hooks.


@dataclass(frozen=True)
class Library:
    url: str


async def make_url() -> str:
    return "sea"


def open_library(
    ctx: Context, suffix: str = "", *, url: Annotated[str, Depends(make_url, scope=Scope.WORKER)] = injected
) -> Iterator[Library]:
    yield Library(url + suffix + ctx.task)


@media.middleware
async def timed(call: TaskCall, proceed: Proceed) -> Any:
    return await proceed(call.with_inputs(**call.inputs))


def again(call: TaskCall, proceed: ProceedSync) -> Any:
    return proceed(call)


@media.task(retries=1, middleware=[timed, again])
def known(topic: str, *, library: Annotated[Library, Depends(open_library, "/a")] = injected) -> int:
    return len(topic + library.url)


# Batches: over lists for the function, single for its callers. Any callable as a task. Names alone.


@media.task(batch=Batch(size=32, wait="20ms"), retries=1)
def embed(texts: list[str], *, url: Annotated[str, Depends(make_url)] = injected) -> list[list[float]]:
    return [[0.0] for _ in texts]


@media.task("rank", batch=Batch(size=8, wait=timedelta(seconds=1)))
async def rank(texts: list[str], weights: list[int]) -> list[Draft | Exception | Failure]:
    return [Draft(text, weight) if weight else ValueError(text) for text, weight in zip(texts, weights, strict=True)]


class Shout:
    def __call__(self, text: str) -> str:
        return text.upper()


def numbers(upto: int) -> Iterator[int]:
    yield from range(upto)


async def slowly(ctx: Context, text: str, times: int = 1) -> list[str]:
    return [text] * times


shout = media.add(Shout(), name="shout", retries=2)
slow = media.add(slowly)
number = media.add(numbers)


def check_added(photos: list[File]) -> None:
    assert_type(embed("tide"), list[float])
    assert_type(rank("tide", 3), Draft)
    assert_type(map_over(embed, ["tide"]), list[list[float]])
    assert_type(shout("tide"), str)
    assert_type(slow("tide", times=2), list[str])
    assert_type(number(3), list[int])
    assert_type(task_named("media.thumb", File)(photo=photos[0]), File)
    assert_type(Catalog(media).find("media.thumb").namespace, str)


@media.on_start
async def warm_up() -> None: ...


@media.on_stop
def cool_down() -> None: ...


def check_known() -> None:
    assert_type(known("tide"), int)
    with media.overrides({open_library: lambda: Library("fake"), make_url: lambda: "fake"}):
        assert_type(known(topic="tide"), int)


class Both(NamedTuple):
    draft: Draft
    verdict: Verdict


@workflow
def both(draft: Draft) -> Both:
    better = chain(draft)
    return Both(better, judge(better))


# Streams with a final value --------------------------------------------------------------------------------


@media.stream
def spoken(topic: str) -> Generator[Word, None, Verdict]:
    yield Word(topic)
    return Verdict(1.0, "long")


@media.stream(final=Verdict, retries=2)
async def heard(ctx: Context, topic: str) -> AsyncIterator[Word | Final[Verdict]]:
    yield Word(ctx.task)
    yield Final(Verdict(1.0, "long"))


@media.stream
def hummed(topic: str) -> Generator[Word, None, None]:
    yield Word(topic)


def of_streams(client: Client) -> None:
    assert_type(spoken("a"), Streamed[Word, Verdict])
    assert_type(heard("a").final, Verdict)
    assert_type(hummed("a"), list[Word])
    run = client.submit(heard, "a")
    assert_type(run.result(), Streamed[Word, Verdict])
    assert_type(list(run.stream(on_restart=lambda told: print(told.epoch))), list[Word])
    assert_type(next(run.numbered()), Numbered[Word] | Restarted)
    assert_type(list(client.submit(hummed, "a").stream(3)), list[Word])


def of_stubs(client: Client, draft: Draft) -> None:
    assert_type(client.submit(notes, draft, most=2).result(), list[str])
    assert_type(client.submit(parts, draft, from_=1).result(), Streamed[str, Verdict])


@workflow
def retold(topic: str) -> Streamed[Word, Verdict]:
    said = spoken(topic)
    assert_type(said.items, list[Word])
    return Streamed(said.items, said.final)


@media.program(command=["./shrink.sh"], timeout=30, pool="cpu")
def shrink(photo: File, width: int = 256) -> File:
    raise NotImplementedError


@media.program("spell", command=["aspell", "-a"])
def spelled(text: str) -> Iterator[Word]:
    raise NotImplementedError


def of_programs(client: Client) -> None:
    assert_type(shrink(File("a.png"), width=3), File)
    assert_type(spelled("a"), list[Word])
    assert_type(client.submit(shrink, File("a.png")).result(), File)
    assert_type(list(client.submit(spelled, "a").stream()), list[Word])


@workflow
def shrunk(photos: list[File]) -> list[File]:
    return map_over(lambda photo: shrink(photo, 64), photos)


def of_webhooks(client: Client, headers: dict[str, str]) -> None:
    assert_type(client.webhooks.add("chat", "https://example.org", events=["run.failed"], tags={"a": "b"}).secret, str)
    assert_type([each.status for each in client.webhooks.log("chat", limit=3).deliveries], list[str])
    assert_type(client.endpoints.serve("/a", "a.b", version="v1").path, str)
    assert_type(client.hooks.add("in", "a.b", inputs={"x": "$"}, scheme="github").secret, str)
    assert_type(webhooks.verify(headers, b"{}", ["a", "b"], timedelta(minutes=1)).id, str)


async def of_async_webhooks(client: AsyncClient) -> None:
    assert_type((await client.webhooks.test("chat")).id, str)
    await client.webhooks.remove("chat")


article = StateMachine("article")


@media.task
def is_long(draft: Draft) -> bool:
    return draft.pages > 4


@media.task
def binding(pdf: File, short_form: Draft | None) -> File:
    return pdf


@article.state
def write(topic: str, photos: list[File], last: Verdict | None = article.previous("check", Verdict)) -> Draft:
    remarks = if_some(last, then=lambda verdict: verdict.notes, otherwise=lambda: None)
    return compose(topic, map_over(caption, photos), remarks)


@article.state
def check(draft: Draft = write.output) -> Verdict:
    return judge(draft)


@article.state("cover")
def cover_of(draft: Draft = write.output, score: float = check.output.score, size: int = 256) -> File:
    return pdf(draft)


least = article.input("least", float)
write.otherwise(to=check)
check.when(all_of(check.output.score * 2 >= 1.6, size(write.output.topic) > 3), to=cover_of)
check.when(in_(write.output.kind, ["long", "short"]), to="cover", max_visits=2)
check.on("timeout", to=article.end("failure", status="too slow"))
check.otherwise(to=write, max_visits=5)
cover_of.when(any_of(status_of(check.output) == "success", has(least)), to=article.end("success", output=write.output))
cover_of.otherwise(to=article.end("success", output=cover_of.output, status="printed"))


@article.finally_
def put_away(topic: str, photos: list[File]) -> None:
    caption(photos[0])


what_ends_it: Callable[[str, list[File]], None] = put_away

publish = article.dag("publish", worker=media, draft=write.output, width=3)
pages = publish.add(pdf)
long = publish.add(is_long)
short_form = publish.add(shorten, name="short_form", when=~long & long | long)
bound = [pages, short_form] >> publish.add(binding)


@publish.task
def cover_letter(pdf: File, width: int) -> str:
    return pdf.name[:width]


@publish.task(name="spine", when=long)
async def spine_of(ctx: Context, cover_letter: str) -> str:
    return cover_letter


chain_of_steps = pages >> cover_letter >> spine_of
several = bound << [pages, long]
check.when(check.output.score > 0.5, to=publish)
publish.when(bound.output.size > 3, to=article.end("success", output=bound.output))
publish.otherwise(to=article.end("success", output=(short_form.output, publish.output)))
assert_type(pages.output, File)
assert_type(short_form.output, Draft | None)
assert_type(bound.output, File)
assert_type(cover_letter(File("a.png"), 3), str)
print(several[0].parents, bound.children)
step_of_pages: Step[File] = pages

printed = Dag("printed", draft=Draft, width=int)
printed_pages = printed.add(pdf)
printed.gives(printed_pages)
printed_pages.add_children([printed.add(cover_letter.task)])

state_of_check: State[Verdict] = check
assert_type(write.output, Draft)
assert_type(cover_of.output, File)
assert_type(least, float)
assert_type(article.previous("check", Verdict), Verdict | None)


def of_machines(client: Client, photo: File) -> None:
    run = client.submit(article, topic="cats", photos=[photo], least=0.5)
    print(run.result(), article(topic="cats", photos=[photo], least=0.5))


def of_graphs(client: Client) -> None:
    graph = Graph(album)
    assert_type(graph.phases(), list[list[str]])
    assert_type(graph.needs("map"), dict[str, set[str]])
    assert_type(graph.svg(), str)
    assert_type(client.graph("album"), Graph)
    assert_type(client.run("0").graph(), Graph)
    client.publish(graph)
    client.publish(album)
    Graph(article)
    assert_type(client.submit_graph(graph, {"topic": "sea"}), Run[Any])


def of_schedules(client: Client) -> None:
    nightly = Schedule(name="n", target=album, inputs={"title": "$due_date"}, cron="@daily", overlap=Overlap.QUEUE)
    assert_type(client.schedules.put(nightly).revision, int)
    assert_type(client.schedules.trigger("n", overlap=Overlap.ALLOW).run, str)
    assert_type([each.due_at for each in client.schedules.due("n", 3).due], list[str])
    client.schedules.put(Schedule(name="m", target="a.b", every=timedelta(hours=1), catch_up=CatchUp.NONE))


async def of_async_schedules(client: AsyncClient) -> None:
    assert_type((await client.schedules.pause("n", "why")).status, str)
    await client.schedules.remove("n")


@media.task
def noted(ctx: Context, text: str) -> int:
    ctx.set("first", text[:1])
    ctx.set_run("language", {"code": "en", "sure": 0.9})
    return len(text)


def look_at(run: Run[int]) -> None:
    assert_type(run.data(), dict[str, Any])
    assert_type(run.step_data(), dict[str, dict[str, Any]])
    assert_type(run.set({"label": "good"}, remove=["draft"], path="noted"), dict[str, Any])


def of_control(client: Client, draft: Draft) -> None:
    once = client.options(key="order-7", key_lifetime=timedelta(days=1), unique="c-5", on_active=OnActive.REFUSE)
    later = once.options(delay=2.5, tags={"team": "a"}, run_timeout=timedelta(hours=1))
    run = later.submit(shorten, draft)
    assert_type(run.pause("the disk is full").status, str)
    assert_type(run.change(priority=5, tags={"team": "b"}, untag=["old"]).tags, dict[str, str])
    assert_type(run.resume(), RunView)
    assert_type(client.pause(task="media.thumb", reason="deploy").is_paused, bool)
    assert_type([each.name for each in client.pauses()], list[str])
    request = BulkRequest(BulkAction.SET, workflow="article", tags={"team": "a"}, change=RunChange(priority=3))
    assert_type([bite.count for bite in client.bulk(request)], list[int])


async def of_async_control(client: AsyncClient) -> None:
    async for bite in client.bulk(BulkRequest(BulkAction.CANCEL, older_than_s=3600)):
        assert_type(bite.next, str)
    assert_type((await client.resume(queue="night")).kind, str)


Consent = Approval[Literal["yes", "no"]]


@media.task
def outcome(answer: Consent, late: str) -> int:
    return len(answer.choice + answer.comment + answer.who + late) + answer.at.year


@workflow
def consented(topic: str, days: timedelta, due: datetime) -> int:
    """Each wait has the type of what it brings; a way out adds its own."""
    paid = wait_signal("paid", Verdict, within=timedelta(hours=1))
    assert_type(paid, Verdict)
    told = wait_event("named", str, within=FOREVER, after=[paid], name="naming")
    assert_type(told, str)
    keyed = wait_signal("sent", str, within=timedelta(days=1), key=topic, on_timeout=lambda: topic)
    assert_type(keyed, str)
    either = wait_signal("maybe", int, within=FOREVER, on_timeout=lambda: topic, key=3)
    assert_type(either, int | str)
    answer: Consent = approval("Good?", choices=("yes", "no"), shows=paid, within=FOREVER)
    plain = approval("Which?", choices=("a", "b"), within=FOREVER, name="which", after=told)
    assert_type(plain, Approval[str])
    rested = sleep_until(due, then=lambda: sleep_for(days, then=lambda: keyed, after=keyed))
    assert_type(rested, str)
    return branch(answer.choice == "yes", then=lambda: outcome(answer, rested), otherwise=lambda: 0)


asking = StateMachine("asking")


@asking.state
def consent(topic: str) -> Approval[Literal["yes", "no"]]:
    return approval("Good?", choices=("yes", "no"), shows=topic, within=timedelta(days=2))


consent.when(consent.output.choice == "yes", to=asking.end("success"))
consent.on("timeout", to=asking.end("failure"))
consent.otherwise(to=asking.end("failure"))


def signalled(client: Client, run: Run[int]) -> str:
    sent = run.signal("paid", Verdict(0.5, "good"), id="one")
    assert_type(sent.taken, bool)
    run.approve("yes", who="ann", comment="well done", step="approval")
    return client.signal("sent", "x", key="tides").id + client.waits(kinds=("signal",)).next + run.waits()[0].link


@media.task
def tallied(word: str, *, seen: Annotated[Store[int], Shared("seen", Reach.WORKFLOW)] = injected) -> int:
    assert_type(seen.get(word), int | None)
    assert_type(seen.compare_and_set(word, 1, 0), bool)
    assert_type([entry.value for entry in seen.entries("a/")], list[int])
    return seen.increment(word)


@media.task
async def told_on(
    word: str,
    *,
    read: Annotated[ReadStore[Draft], Shared("drafts")] = injected,
    write: Annotated[WriteStore[Draft], Shared("drafts")] = injected,
    out: Annotated[Sender[str], Shared("line")] = injected,
    line: Annotated[Receiver[str], Shared("line")] = injected,
    both_ways: Annotated[Channel[int], Shared("numbers")] = injected,
) -> str:
    if (draft := await read.aget(word)) is not None:
        await write.aset(word, draft)
    assert_type(await out.asend(word), int)
    assert_type(await both_ways.areceive(await both_ways.asend(1) - 1, timeout=1), Item[int] | None)
    item = await line.areceive(timeout=2.5)
    return item.value if item is not None else ""


def of_stores(client: Client, run: Run[int]) -> None:
    assert_type(client.store("album", "seen").set("a", 1, version=0).version, int)
    assert_type(run.store("line").items(wait=1.0).is_over, bool)


async def tale(client: AsyncClient) -> int:
    run = await client.submit(shorten, Draft("a", 1))
    return (await run.result()).pages


def simulated() -> None:
    found = simulate(shorten, media, seed=7, faults=[Kind.KILL]).run(Draft("a", 1))
    assert_type(found.result, Draft)
    assert_type(simulate(tale, media, faults=[Fault(1.0, Kind.CUT, "server", 3.0)]).run().result, int)
    assert_type(simulate(shorten, media).explore(range(3), Draft("a", 1))[0].begun["a"], int)


WORKFLOWS = (article, printed, album, atlas, chain, verdict, both, retold, shrunk, consented, asking)


def retried() -> None:
    """What differs by failure code."""
    assert_type(RetryRules(by_code={"timeout": 0, "transient": 8}, within=timedelta(hours=1)), RetryRules)


def kept(run: Run[int]) -> None:
    """What a client does with a run that ended, or is quarantined."""
    run.remove()
    assert_type(next(run.export()), bytes)
    assert_type(run.attempt("shorten", 1).attempt.number, int)
    assert_type(run.release("shorten")[0].step, str)
    assert_type(run.discard()[0].message, str)
