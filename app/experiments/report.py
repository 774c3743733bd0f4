"""The report: one self-contained HTML page and one Markdown page with figures beside it, from the stored records."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from app.experiments import results
from app.experiments.results import Record, stored
from app.experiments.runner import SIZE
from app.explain.default import FILE
from othello import atomic
from othello.errors import CheckpointError
from othello.network import checkpoint

TITLE = "Experiments"
HTML, MARKDOWN = "report.html", "experiments.md"

_STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 16px/1.55 Inter, system-ui, sans-serif; max-width: 62rem; margin: 2.5rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1.2rem; }
p.shows { opacity: .75; font-style: italic; } figure { margin: 1.2rem 0; }
figcaption { font-size: .85rem; opacity: .8; }
img { max-width: 100%; border-radius: 6px; } .wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; margin: .8rem 0; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; } th, td { padding: .2rem .7rem .2rem 0;
border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; } footer { font-size: .8rem; opacity: .7; }
"""


def write(records: Sequence[Record], folder: Path) -> tuple[Path, Path]:
    """Write the HTML and the Markdown page into the records' own folder."""
    page, text = folder / HTML, folder / MARKDOWN
    atomic.write_text(page, html(records, folder))
    atomic.write_text(text, markdown(records, ""))
    return page, text


def publish(records: Sequence[Record], folder: Path, docs: Path) -> Path:
    """Write `docs`/experiments.md, and in `docs`/experiments every record's JSON, pictures and values by position."""
    figures = docs / "experiments"
    figures.mkdir(parents=True, exist_ok=True)
    for record in records:
        for name in (f"{record['name']}.json", *results.files(record)):
            atomic.write_bytes(figures / name, (folder / name).read_bytes())
    page = docs / MARKDOWN
    atomic.write_text(page, markdown(records, "experiments/"))
    return page


def keeps_default(records: Sequence[Record], file: Path = FILE) -> Path | None:
    """Make the faithfulness study's winner the app's default: write the file that `app.explain.default` reads.

    None where the records hold no study of full size.
    """
    study = next(
        (r for r in records if r["name"] == "faithfulness" and not r["settings"]["quick"]), None
    )
    if study is None:
        return None
    left_out = ("behind_the_highest", "first_in_resamples", "rule")
    choice = {
        key: value for key, value in study["numbers"]["choice"].items() if key not in left_out
    }
    made_by = {"weights": study["checkpoint"]["sha256"], "key": study["key"]}
    atomic.write_json(file, choice | made_by)
    return file


def outranks(records: Sequence[Record], docs: Path) -> str:
    """Why these records should not replace those in `docs`, or "": other weights than the shipped ones, or a quick run
    where a full one of the same weights stands."""
    weights = {record["checkpoint"]["sha256"] for record in records if record["checkpoint"]}
    try:
        shipped = checkpoint.info(checkpoint.default_checkpoint(SIZE))["weights"]["sha256"]
    except (CheckpointError, KeyError, TypeError):
        shipped = ""
    if weights - {shipped}:
        return "these are not the weights that come with the project"
    there = [stored(docs / "experiments", record["name"]) for record in records]
    full = any(
        r
        and not r["settings"]["quick"]
        and r["checkpoint"]
        and r["checkpoint"]["sha256"] == shipped
        for r in there
    )
    return (
        "it holds the full-size run of these weights"
        if full and records[0]["settings"]["quick"]
        else ""
    )


def markdown(records: Sequence[Record], figures: str) -> str:
    """The Markdown page; `figures` is the prefix of the pictures' names."""
    lines = [f"# {TITLE}", "", *_introduction(records), ""]
    lines += ["| # | experiment | redoes | command |", "|---|---|---|---|"]
    lines += [
        f"| {r['number']} | [{r['title']}](#{_anchor(r)}) | {r['source'] or '–'} | `othello experiments {r['name']}` |"
        for r in records
    ]
    for record in records:
        lines += ["", f"## {_heading(record)}", "", f"*{record['shows']}*", "", record["reading"]]
        for figure in record["figures"]:
            alt = figure["alt"].replace("[", "(").replace("]", ")")
            lines += ["", f"![{alt}]({figures}{figure['file']}.svg)", "", figure["caption"]]
        for table in record["tables"]:
            lines += ["", f"**{table['title']}**", ""]
            lines += [_row(table["header"]), "|---" * len(table["header"]) + "|"]
            lines += map(_row, table["rows"])
        if record.get("each"):
            links = [
                f"[{f}.csv]({figures}{f}.csv), [npz]({figures}{f}.npz)" for f in record["each"]
            ]
            lines += ["", f"Every position's values: {', '.join(links)}."]
        lines += ["", _made(record)]
    return "\n".join(lines) + "\n"


def html(records: Sequence[Record], folder: Path) -> str:
    """The HTML page, its pictures inside it."""
    body = [
        f"<h1>{TITLE}</h1>",
        *(f"<p>{escape(line)}</p>" for line in _introduction(records)),
        "<ol>",
    ]
    body += [
        f'<li value="{r["number"]}"><a href="#{r["name"]}">{escape(r["title"])}</a></li>'
        for r in records
    ]
    body.append("</ol>")
    for record in records:
        body.append(f'<h2 id="{record["name"]}">{escape(_heading(record))}</h2>')
        body.append(
            f'<p class="shows">{escape(record["shows"])}</p><p>{escape(record["reading"])}</p>'
        )
        for figure in record["figures"]:
            data = base64.b64encode((folder / f"{figure['file']}.svg").read_bytes()).decode()
            picture = f'<img alt="{escape(figure["alt"], quote=True)}" src="data:image/svg+xml;base64,{data}">'
            body.append(
                f"<figure>{picture}<figcaption>{escape(figure['caption'])}</figcaption></figure>"
            )
        body += [_table(table) for table in record["tables"]]
        body.append(f"<footer>{escape(_made(record))}</footer>")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{TITLE}</title><style>{_STYLE}</style>'
        '<meta name="viewport" content="width=device-width"></head><body>\n'
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _table(table: dict[str, Any]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table["header"])
    rows = ""
    for row in table["rows"]:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
        rows += f"<tr>{cells}</tr>"
    return f'<div class="wide"><table><caption>{escape(table["title"])}</caption><tr>{head}</tr>{rows}</table></div>'


def _introduction(records: Sequence[Record]) -> list[str]:
    weights = {record["checkpoint"]["sha256"][:12] for record in records if record["checkpoint"]}
    size = "quick" if all(record["settings"]["quick"] for record in records) else "full"
    quick = " --quick" if size == "quick" else ""
    return [
        f"Made by `othello experiments all{quick}` ({size} size) with the weights "
        f"{', '.join(sorted(weights)) or '–'}. Numbers in brackets are 95 % intervals: bootstrap over positions, "
        "games or samples, or Wilson's for a proportion; intervals are of one measure at a time, so that of many some "
        "miss by chance. Every number is in the JSON file of its experiment, with the hashes of the weights, of the "
        "settings and of the code that made it."
    ]


def _heading(record: Record) -> str:
    return f"{record['number']}. {record['title']}"


def _anchor(record: Record) -> str:
    kept = "".join(c for c in _heading(record).lower() if c.isalnum() or c in " -")
    return kept.replace(" ", "-")


def _made(record: Record) -> str:
    settings, weights = record["settings"], record["checkpoint"]
    model = f", weights {weights['sha256'][:12]}" if weights else ""
    origin = f"seed {settings['seed']}{model}, code {record['code'][:12]}, key {record['key'][:12]}"
    return f"positions {settings['positions']}, {origin}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join([cell.replace("|", "\\|") for cell in cells]) + " |"
