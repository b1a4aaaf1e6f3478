"""The colours of pictures: those of the web pages, once more, since a picture stands alone."""

_LIGHT = {
    "paper": "#f6f7f8", "card": "#fff", "ink": "#1a2326", "faint": "#5f6e73", "line": "#cfd7da", "edge": "#84939a",
    "accent": "#0d7a83", "tint": "#eef5f6", "succeeded": "#1b7f4b", "failed": "#c02b2b", "running": "#1967b3",
    "waiting": "#8a6a00", "stopped": "#6b6f76",
}  # fmt: skip
_DARK = {
    "paper": "#101517", "card": "#1a2225", "ink": "#e3e9eb", "faint": "#94a3a8", "line": "#354247", "edge": "#71828a",
    "accent": "#45bac4", "tint": "#152024", "succeeded": "#4fc284", "failed": "#ff7b74", "running": "#6cb2f7",
    "waiting": "#e0b84a", "stopped": "#9aa1a8",
}  # fmt: skip
_SHADES = {
    "succeeded": ("succeeded", "skipped_over"),
    "failed": ("failed", "halted", "quarantined", "lost", "killed", "presumed", "abandoned"),
    "running": ("running", "leased"),
    "waiting": ("ready", "waiting", "blocked", "at_breakpoint", "cancelling", "stopping", "closing"),
    "stopped": ("cancelled", "skipped", "released", "stopped"),
}


def _values(colours: dict[str, str]) -> str:
    return ";".join(f"--{name}:{value}" for name, value in colours.items())


def _statuses() -> str:
    return "".join(
        ",".join(f".tm .is-{status}" for status in statuses) + f"{{--c:var(--{shade})}}"
        for shade, statuses in _SHADES.items()
    )


STYLE = (
    f".tm{{{_values(_LIGHT)};color-scheme:light dark;"
    'font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}'
    f"@media(prefers-color-scheme:dark){{.tm{{{_values(_DARK)}}}}}"
    ".tm .paper{fill:var(--paper)}"
    ".tm text{fill:var(--ink);font-size:11px}"
    ".tm .title{font-size:13px;font-weight:600}"
    ".tm .text,.tm .faint{fill:var(--faint)}"
    ".tm .tag{fill:var(--accent);font-size:9px;font-weight:700;letter-spacing:.08em}"
    ".tm .label{font-size:10.5px;fill:var(--ink)}"
    ".tm .plate{fill:var(--paper);stroke:var(--line)}"
    ".tm .line{fill:none;stroke:var(--edge);stroke-width:1.4}"
    ".tm .soft{stroke-dasharray:3 4}"
    ".tm .tip{fill:var(--edge)}"
    ".tm .box>.face,.tm .back{fill:var(--card);stroke:var(--line);stroke-width:1.2}"
    ".tm .group>.face{fill:var(--tint)}"
    ".tm .state>.face{stroke:var(--accent);stroke-opacity:.55}"
    ".tm .arm>.face{fill:var(--paper);stroke-dasharray:4 3}"
    ".tm .input>.face,.tm .output>.face{fill:none;stroke:var(--accent);stroke-opacity:.6}"
    ".tm .start>.face{fill:var(--accent);stroke:none}"
    ".tm .start>text{fill:var(--paper)}"
    ".tm .success>.face{fill:none;stroke:var(--succeeded);stroke-width:3}"
    ".tm .failure>.face{fill:none;stroke:var(--failed);stroke-width:3}"
    ".tm .constant>.face{stroke-dasharray:2 3}"
    f"{_statuses()}"
    ".tm [class*=is-]>.face{stroke:var(--c);stroke-width:2}"
    ".tm [class*=is-]>.face{fill:color-mix(in srgb,var(--c) 12%,var(--card))}"
    ".tm .group[class*=is-]>.face{fill:color-mix(in srgb,var(--c) 6%,var(--card))}"
    ".tm .count{fill:var(--c,var(--ink));font-weight:600;font-variant-numeric:tabular-nums}"
    ".tm .is-taken{--c:var(--succeeded)}"
    ".tm .grid{stroke:var(--line);stroke-width:1}"
    ".tm .tick{fill:var(--faint);font-size:10px;font-variant-numeric:tabular-nums}"
    ".tm .name{font-size:11.5px}"
    ".tm .dot{fill:var(--c,var(--edge))}"
    ".tm .bar{stroke:var(--c);fill:color-mix(in srgb,var(--c) 55%,var(--card))}"
    ".tm .group-bar{fill:var(--c);opacity:.4}"
    ".tm .queued{fill:var(--c);opacity:.28}"
    ".tm .halo{fill:none;stroke:var(--c);stroke-opacity:.45;stroke-width:3}"
)
