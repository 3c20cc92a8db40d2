"""The colours of pages and drawings, light and dark, and how the parts of drawings look.

Texts have a contrast of at least 4.5 to what is behind them; no colour is the only sign of anything.
"""

from __future__ import annotations

LIGHT = {
    "page": "#f5f6f8",
    "card": "#ffffff",
    "ink": "#17202c",
    "muted": "#586474",
    "line": "#dde2e9",
    "faint": "#eef1f5",
    "new": "#2b5fd9",
    "new-tint": "#e9f0ff",
    "stored": "#0b7a6b",
    "stored-tint": "#e6f5f2",
    "source": "#5f6b7a",
    "source-tint": "#f1f3f6",
    "goal": "#7a3fb8",
    "goal-tint": "#f4ecfc",
    "warn": "#a4510a",
    "warn-tint": "#fdf1e2",
    "bad": "#bb1f2a",
    "bad-tint": "#fdeaeb",
}
DARK = {
    "page": "#0d1117",
    "card": "#151b23",
    "ink": "#e6ebf2",
    "muted": "#9aa7b8",
    "line": "#2c3542",
    "faint": "#1d2530",
    "new": "#7fa8ff",
    "new-tint": "#182744",
    "stored": "#4fd0b9",
    "stored-tint": "#12302e",
    "source": "#9aa7b8",
    "source-tint": "#1d242e",
    "goal": "#c79bf5",
    "goal-tint": "#2a2040",
    "warn": "#f0b35f",
    "warn-tint": "#33260f",
    "bad": "#ff9089",
    "bad-tint": "#3a1a1c",
}


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


THEME = (
    f":root{{color-scheme:light dark;{_variables(LIGHT)}}}\n"
    f"@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}\n"
    f"@media print{{:root{{color-scheme:light;{_variables(LIGHT)}}}}}\n"
)

MONO = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"
SANS = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,'DejaVu Sans',sans-serif"

CHARTS = (
    f".chart text{{font:11px {SANS};fill:var(--muted);font-variant-numeric:tabular-nums}}"
    f".chart .name{{font:600 12px {MONO};fill:var(--ink)}}"
    f".chart .mono{{font:11px {MONO}}}"
    ".chart .strong{font-weight:600;fill:var(--ink)}"
    ".chart .end{text-anchor:end}.chart .middle{text-anchor:middle}"
    ".chart .grid{stroke:var(--line);stroke-width:1}.chart .axis{stroke:var(--muted);stroke-width:1}"
    ".chart .lane{fill:var(--faint)}"
    ".chart .edge{fill:none;stroke:var(--muted);stroke-opacity:.5;stroke-width:1.25}"
    ".chart .edge.path{stroke:var(--new);stroke-opacity:1;stroke-width:2.25}"
    ".chart .box{stroke-width:1.25}"
    + "".join(
        f".chart .{kind}{{fill:var(--{kind}-tint);stroke:var(--{kind})}}"
        f".chart .{kind}.solid{{fill:var(--{kind});stroke:none}}"
        for kind in ("new", "stored", "source", "goal", "warn", "bad")
    )
    + ".chart .stored,.chart .source{stroke-dasharray:4 3}"
    ".chart .whisker{stroke:var(--ink);stroke-width:1.25;fill:none}"
    ".chart .curve{fill:none;stroke:var(--new);stroke-width:2;stroke-linejoin:round}"
    ".chart .band{fill:var(--new);fill-opacity:.14}"
    ".chart .dot{fill:var(--new)}"
    ".chart .here{stroke:var(--warn);stroke-width:1.5;stroke-dasharray:4 3}"
    ".chart .mark{fill:var(--warn);stroke:var(--card);stroke-width:1.5}"
    ".chart .slack{fill:var(--new);fill-opacity:.45}\n"
)
