"""A run's page as one file that needs no server. Pure; the words are in snapshot.html."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template

from tidemill.cli.outline import seconds_between, summary_of
from tidemill.cli.show import span
from tidemill.wire.api import RunView, StepView

MOST_FAILURES = 1000


def snapshot_of(view: RunView, steps: Sequence[StepView], failures: Mapping[str, str], command: str) -> str:
    """``failures``: of elements of maps, what went wrong by path. ``command`` starts a server on the same data."""
    template = Template(files("tidemill.cli").joinpath("snapshot.html").read_text("utf-8"))
    return template.substitute(
        title=escape(f"{view.workflow} {view.status}"),
        workflow=escape(view.workflow),
        status=escape(view.status),
        run=escape(view.id),
        began=escape(view.created_at[:19].replace("T", " ") + " UTC"),
        summary=escape(summary_of(view)),
        failure=_failure(view),
        steps="\n".join(map(_row, steps)),
        failures=_failures(failures),
        command=escape(command),
        path=escape(f"/runs/{view.id}"),
    )


def _row(step: StepView) -> str:
    took = seconds_between(step.started_at, step.ended_at)
    depth = step.path.count("/")
    name = f'<td style="padding-left: {1.5 * depth}rem"><code>{escape(step.path.rpartition("/")[2])}</code></td>'
    state = f'<td class="{escape(step.status)}">{escape(step.status)}</td>'
    numbers = (
        f'<td class="number">{step.attempts or ""}</td><td class="number">{"" if took is None else span(took)}</td>'
    )
    return f"<tr>{name}{state}{numbers}<td>{_more(step)}</td></tr>"


def _more(step: StepView) -> str:
    if "length" not in step.elements:
        return escape(step.failure.message) if step.failure else escape(step.task)
    length, done, failed = (step.elements.get(name, 0) for name in ("length", "done", "failed"))
    bar = f'<meter max="{max(length, 1)}" value="{done}"></meter>'
    return f"{bar} {done:,} of {length:,}" + (f', <span class="failed">{failed:,} failed</span>' if failed else "")


def _failure(view: RunView) -> str:
    if view.failure is None:
        return f"<p>{escape(view.reason)}</p>" if view.reason else ""
    where = f" at {view.failure.path}" if view.failure.path else ""
    detail = f"<pre>{escape(view.failure.traceback)}</pre>" if view.failure.traceback else ""
    return f'<p class="failed">{escape(view.failure.message or view.failure.type)}{escape(where)}</p>{detail}'


def _failures(failures: Mapping[str, str]) -> str:
    if not failures:
        return ""
    shown = [
        f"<tr><td><code>{escape(path)}</code></td><td>{escape(text)}</td></tr>"
        for path, text in list(failures.items())[:MOST_FAILURES]
    ]
    rest = f"<p>… and {len(failures) - MOST_FAILURES:,} more</p>" if len(failures) > MOST_FAILURES else ""
    return f'<h2>Failed elements</h2><div class="scroll"><table>{"".join(shown)}</table></div>{rest}'
