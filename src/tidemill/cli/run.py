"""`tidemill run`: submit and watch, and start what is missing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from tidemill.assembly.settings import Settings, read_settings
from tidemill.cli.ending import gather, tell
from tidemill.cli.finding import Found, Stay, answers
from tidemill.cli.household import Household, Role, missing_tasks, open_household, wait_for_tasks
from tidemill.cli.inputs import is_file, option_name, options_of, values_of
from tidemill.cli.main import Exit, nearest
from tidemill.cli.named import Named, plain_inputs, run_named
from tidemill.cli.options import Output, data_option, output_option, url_option
from tidemill.cli.outputs import FOLDER, recall, remember
from tidemill.cli.rules import RULES, rule_options, rules_of, spoken
from tidemill.cli.screen import Screen, screen_for
from tidemill.cli.serving import alongside, find_or_start, take_over
from tidemill.cli.sources import graph_in
from tidemill.cli.streaming import watch_items, without_items
from tidemill.cli.submitting import Wanted, find_unfinished, submit
from tidemill.cli.targets import NoSuchTargetError, Target, TargetError, load_target
from tidemill.cli.watching import Interrupts, interruptible, unless, watch
from tidemill.cli.worker_folders import start_folders
from tidemill.client.remote import AsyncClient, AsyncRun
from tidemill.client.saying import SubmitOptions
from tidemill.core.errors import UnavailableError
from tidemill.sdk.definition import Definition, Task
from tidemill.sdk.file import File
from tidemill.sdk.workflow import Workflow

OURS = ("workflow", "out", "url", "data", "json", "detach", "new", "stream", "dir", "help", *map(spoken, RULES))
LOG = "processes.log"
LOOK_S = 0.5
PATIENT_LOOKS = 4  # a worker that lost its connection is back by then


@dataclass(frozen=True)
class Errand:
    """All that the command line says."""

    target: Target
    wanted: Wanted
    digest: str  # of what runs on what; making it has checked the inputs
    settings: Settings
    out: Path
    output: Output
    is_new: bool
    is_detached: bool
    streams: bool = False
    place: Path | None = None  # a folder of workers that run besides
    rules: SubmitOptions = field(default_factory=SubmitOptions)


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True},
    options_metavar="[OPTIONS] [--PARAMETER VALUE]…",
)
@click.argument("target", required=False)
@click.argument("rest", nargs=-1, type=click.UNPROCESSED, metavar="")
@click.option("--workflow", help="The workflow or task to run.  [default: the first workflow, else the only task]")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Where files of the result go.")
@click.option("--dir", "place", type=click.Path(path_type=Path), help="Run the worker folders in this one too.")
@click.option("--graph", type=click.Path(path_type=Path), help="Run the graph document in this file, without TARGET.")
@click.option("--detach", is_flag=True, help="Print the run's id and leave; needs a server that runs.")
@click.option("--stream", is_flag=True, help="Print the items of the result, a stream, as they come.")
@click.option("--new", is_flag=True, help="Start anew, even if a run of the same is unfinished.")
@rule_options
@url_option
@data_option
@output_option
@click.option("-h", "--help", "wants_help", is_flag=True, help="Show this, and the parameters of TARGET.")
@click.pass_context
def run(ctx: click.Context, /, target: str | None, rest: tuple[str, ...], **given: Any) -> Exit:
    """Run a workflow or task of TARGET, watch it, and print its result.

    TARGET is, in this order: a folder with a spec (worker.tsp) or a main.py, a file, module:variable, an installed
    worker, or a module; or else the name of a task or published workflow that a server knows (worker.task).

    What is missing is started: without a server, one on the data folder, and a worker for TARGET; both end with the
    command. So does each worker folder in --dir, in its own environment. A run of the same on the same input that is
    unfinished is taken up again.

    The parameters of the workflow are options: `tidemill run TARGET --help` lists them. A list of files takes a
    folder; another list takes JSON, or one item each time; anything that is no plain value takes JSON, or @file.json.
    """
    if given["graph"] is not None:
        return _run_graph(given, ((target,) if target else ()) + rest)
    if target is None:
        click.echo(ctx.get_help())
        return Exit.OK if given["wants_help"] else Exit.INPUT
    settings = read_settings({"url": given["url"], "data": given["data"]})
    try:
        found = load_target(target)
    except NoSuchTargetError as missing:
        if given["stream"]:
            raise click.UsageError(
                "--stream is for a TARGET with code; `tidemill runs stream RUN` reads any run"
            ) from None
        inputs = plain_inputs(rest, OURS)
        asked = Named(target, inputs, given["output"], given["out"], given["detach"], rules_of(given))
        return asyncio.run(run_named(asked, settings, missing))
    definition = choose(found, given["workflow"])
    parser = _parser(found, definition)
    if given["wants_help"]:
        click.echo(f"{ctx.get_help()}\n\n{parser.get_help(click.Context(parser, info_name=definition.name))}")
        return Exit.OK
    if given["stream"] and isinstance(definition, Task) and definition.signature.item is None:
        raise click.UsageError(f"task {definition.name} gives no stream; leave out --stream")
    inputs = _inputs(parser, definition, rest)
    inputs |= _recalled(definition, inputs, settings.data, target)
    wanted = Wanted(definition, inputs)
    errand = Errand(
        target=found,
        wanted=wanted,
        digest=wanted.digest(),
        settings=settings,
        out=given["out"] or FOLDER / definition.name,
        output=given["output"],
        is_new=given["new"],
        is_detached=given["detach"],
        streams=given["stream"],
        place=given["place"],
        rules=rules_of(given),
    )
    return asyncio.run(_go(errand))


def _run_graph(given: dict[str, Any], rest: tuple[str, ...]) -> Exit:
    """A document; a server must run, and workers for its tasks."""
    graph = graph_in(given["graph"])
    inputs = plain_inputs(rest, OURS)
    asked = Named(graph.name, inputs, given["output"], given["out"], given["detach"], rules_of(given), graph)
    settings = read_settings({"url": given["url"], "data": given["data"]})
    return asyncio.run(
        run_named(asked, settings, TargetError("--graph needs a server that runs: start one with `tidemill dev`"))
    )


# What is to run ----------------------------------------------------------------------------------------


def choose(target: Target, name: str | None) -> Definition[..., Any]:
    """The workflow or task of this name; without one the first workflow, else the only task."""
    tasks = [task for worker in target.workers for task in worker.tasks.values()]
    known: dict[str, Definition[..., Any]] = {task.node_name: task for task in tasks}
    known |= {task.name: task for task in tasks} | {each.name: each for each in target.workflows}
    if name is not None:
        if name not in known:
            raise TargetError(f"{target.text} has no workflow or task {name}.{nearest(name, known)}")
        return known[name]
    if target.workflows:
        return target.workflows[0]
    if len(tasks) != 1:
        raise TargetError(
            f"{target.text} has {len(tasks)} tasks; say which: --workflow {' | '.join(map(_name, tasks))}"
        )
    return tasks[0]


def _name(task: Task[..., Any]) -> str:
    return task.node_name


def _parser(target: Target, definition: Definition[..., Any]) -> click.Command:
    text = (definition.__doc__ or "").strip()
    return click.Command(
        f"tidemill run {target.text} --workflow {definition.name}",
        params=[*options_of(definition, OURS)],
        help=f"{definition.kind.capitalize()} {definition.name}. {text}",
        add_help_option=False,
    )


def _inputs(parser: click.Command, definition: Definition[..., Any], rest: Sequence[str]) -> dict[str, Any]:
    try:
        ctx = parser.make_context(f"tidemill run … ({definition.kind} {definition.name})", list(rest))
    except click.UsageError as error:
        raise click.UsageError(f"{definition.kind} {definition.name}: {error.format_message()}") from None
    return values_of(ctx.params)


def _recalled(definition: Definition[..., Any], given: dict[str, Any], data: Path, target: str) -> dict[str, Any]:
    """Files that were not given, from what the last successful runs of the same target left."""
    parameters = definition.signature.parameters.values()
    absent = [each.name for each in parameters if is_file(each) and each.is_required and each.name not in given]
    found = recall(data, target, absent)
    for name, path in found.items():
        click.echo(f"{option_name(name, OURS)} is {path}, from the last run of {target}", err=True)
    missing = [name for name in absent if name not in found]
    if missing:
        raise click.UsageError(
            f"{definition.kind} {definition.name} needs {option_name(missing[0], OURS)} FILE; no earlier run of "
            f"{target} left one of that name here. Run `tidemill run {target}` first, or give the file."
        )
    return {name: File(path) for name, path in found.items()}


# Running it --------------------------------------------------------------------------------------------


@dataclass
class Begun:
    """The run, once there is one: what is taken up again is that one, and no other of the same."""

    run: str = ""


async def _go(errand: Errand) -> Exit:
    screen, begun = screen_for(errand.output), Begun()
    with interruptible() as interrupts:
        for last in (False, False, True):
            try:
                async with open_household() as house:
                    return await _run(errand, house, screen, interrupts, begun)
            except UnavailableError:
                if last or errand.settings.url or (errand.is_new and not begun.run):
                    raise  # else another command had the server, and has ended: go on with one of ours
            finally:
                screen.close()
    raise AssertionError  # the last time returns or raises


async def _run(errand: Errand, house: Household, screen: Screen, interrupts: Interrupts, begun: Begun) -> Exit:
    found = await find_or_start(errand.settings, house, _log_to(errand.settings.data))
    async with AsyncClient(found.url) as client:
        await _ensure_worker(errand, house, client, found.url)
        if errand.place is not None and not await _begin_others(errand.place, errand, house, found.url, interrupts):
            return Exit.INTERRUPTED
        async with alongside(_look_after(errand, house, client, found, screen)):
            run = await _begin(errand, client, screen, begun)
            if errand.is_detached and not house.is_used:
                click.echo(run.id)
                return Exit.OK
            if errand.is_detached:
                click.echo("--detach: the run needs the server or worker that this command started; it stays", err=True)
            screen.say(f"run {run.id}\n{found.page_of(run.id)}")
            watching = watch_items(run, errand.output, interrupts) if errand.streams else watch(run, screen, interrupts)
            finished = await watching
            if finished is None:
                click.echo(_farewell(errand, run, house), err=True)
                return Exit.DETACHED
            command = f"tidemill server --data {errand.settings.data}"
            ending = await gather(client, run, finished, errand.out, command)
        if finished.status == "succeeded":
            remember(errand.settings.data, errand.target.text, ending.files)
        tell(without_items(ending, errand.output) if errand.streams else ending, errand.output)
        return ending.code


async def _look_after(errand: Errand, house: Household, client: AsyncClient, found: Found, screen: Screen) -> None:
    """Have a server and a worker of our own as soon as those of another command have ended."""
    settings, absent = errand.settings, 0
    while not settings.url:
        await asyncio.sleep(LOOK_S)
        if found.stay is Stay.PASSES and not house.has(Role.SERVER) and await answers(found.url) is None:
            await take_over(settings, house, found.url, _log_to(settings.data))
            if house.has(Role.SERVER):
                screen.say("the command whose server this was has ended: going on with one of our own")
            absent = PATIENT_LOOKS
        is_served = house.has(Role.WORKER) or not await missing_tasks(client, _wanted_tasks(errand))
        absent = 0 if is_served else absent + 1
        if absent > PATIENT_LOOKS:
            await _ensure_worker(errand, house, client, found.url)


async def _ensure_worker(errand: Errand, house: Household, client: AsyncClient, url: str) -> None:
    """A worker for the tasks of TARGET that the run needs and no connected worker has."""
    wanted = _wanted_tasks(errand)
    if await missing_tasks(client, wanted):
        data = errand.settings.data
        child = house.worker(errand.target.text, url, data, _log_to(data))
        await wait_for_tasks(client, wanted, child)


async def _begin_others(place: Path, errand: Errand, house: Household, url: str, interrupts: Interrupts) -> bool:
    """The other workers; their environments may take minutes to build. False when a person will not wait for that."""
    settings = errand.settings
    started = start_folders(place, settings, house, url, _log_to(settings.data))
    await unless(interrupts, started)
    return not interrupts.bell.is_set()


def _wanted_tasks(errand: Errand) -> Sequence[tuple[str, str]]:
    """Name and digest of each task of TARGET that the run needs."""
    own = {task.name: task for worker in errand.target.workers for task in worker.tasks.values()}
    return [(name, own[name].definition.digest) for name in _tasks_of(errand.wanted.definition) if name in own]


def _tasks_of(definition: Definition[..., Any]) -> Sequence[str]:
    return definition.compiled.tasks if isinstance(definition, Workflow) else (definition.name,)


async def _begin(errand: Errand, client: AsyncClient, screen: Screen, begun: Begun) -> AsyncRun[Any]:
    wanted = errand.wanted
    if begun.run:
        return client.run(begun.run, wanted.definition)
    known = None if errand.is_new or errand.rules else await find_unfinished(client, wanted.name, errand.digest)
    if known is not None:
        screen.say(f"resuming run {known}: the same {wanted.definition.kind} on the same input, unfinished until now")
    if known:
        run = client.run(known, wanted.definition)
    else:
        run = await submit(client.options(**errand.rules), wanted, errand.digest, screen.uploaded)
    begun.run = run.id
    return run


def _farewell(errand: Errand, run: AsyncRun[Any], house: Household) -> str:
    """What becomes of a run that nobody watches any more."""
    if house.is_used:
        return f"stopped. Run {run.id} is kept in {errand.settings.data}: the same command takes it up again"
    return f"run {run.id} goes on. The same command watches it again; `tidemill runs cancel {run.id}` ends it"


def _log_to(data: Path) -> Any:
    """What our processes say goes to a file in the data folder."""

    def hear(line: str) -> None:
        data.mkdir(parents=True, exist_ok=True)
        with (data / LOG).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    return hear
