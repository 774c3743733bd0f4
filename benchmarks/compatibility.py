"""Which models of other libraries `lrp` explains, called as their users call them, with random weights.

Every model is small or gets small pictures and is called as its users call it: texts are token ids with a padding
mask, pictures are pixels. A row says whether the explanation's target is the model's own output and its ledger closes
(`closure`: the largest rest, in units of all relevance that was booked), or why not; `F`: an explanation in units of
one forward and backward pass, in processor time, of which `rounds` take turns; `memory`: its peak in units of that of
a forward and backward pass; `oracle`: how far the map is from another library's, of its largest number, in float64,
or why that library does not say the right thing about this model.
Needs the extra `compat`. Run it as `python -m benchmarks.compatibility`, or with `--group timm`.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch

import lrp
from benchmarks.compatibility_models import GROUPS, Case
from benchmarks.compatibility_oracles import compared
from benchmarks.harness import interleaved, most_bytes, options

NOTHING = float("nan")


@dataclass(frozen=True)
class Row:
    """One model's line of the table; its figures are NaN where nothing is explained or they were not asked for."""

    group: str
    name: str
    explained: bool
    closure: float = NOTHING
    F: float = NOTHING
    memory: float = NOTHING
    oracle: str = ""
    reason: str = ""


def measured(group: str, name: str, rounds: int = 0, oracles: bool = False) -> Row:
    """One model's row."""
    try:
        case = GROUPS[group][0](name)
        wanted = case.value()
    except Exception as error:
        return Row(group, name, False, reason=f"it cannot be made or called: {_short(error)}")
    try:
        explainer = lrp.LRP(case.model, case.composite, *case.args, **case.batch)
        r = explained(explainer, case)
    except lrp.LRPError as error:
        return Row(group, name, False, reason=_short(error))
    moved = sum(float(t.abs().sum()) for t in (*r.inputs, *r.bias.values(), r.stabilizer_total))
    closure = float(r.closure.abs().max()) / max(moved, 1e-30)
    same = bool(torch.allclose(r.target, wanted, rtol=1e-3, atol=1e-4))
    reason = "" if same else "another value than the model's"
    passes, memory = NOTHING, NOTHING
    try:
        passes, memory = _costs(case, explainer, rounds) if rounds else (NOTHING, NOTHING)
    except RuntimeError as error:
        reason = f"its own backward pass fails: {_short(error)[:60]}"
    oracle = compared(group, name, case, explainer) if oracles else ""
    return Row(group, name, same, closure, passes, memory, oracle, reason)


def explained(explainer: lrp.LRP, case: Case) -> lrp.Relevance:
    """The explanation of a case."""
    return explainer.attribute(*case.args, **case.batch, target=case.target, output=case.output)


def _costs(case: Case, explainer: lrp.LRP, rounds: int) -> tuple[float, float]:
    """An explanation's processor time and its peak of memory, in units of a forward and backward pass."""

    def plain() -> None:
        case.model.zero_grad()
        y = case.model(*case.args, **case.batch)
        (y if case.output is None else y[case.output]).sum().backward()

    def explain() -> None:
        explained(explainer, case)

    found = interleaved({"F": plain, "LRP": explain}, rounds)
    return found["LRP"] / found["F"], most_bytes(explain) / most_bytes(plain)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]


def rows(groups: list[str], only: list[str], rounds: int, oracles: bool) -> Iterator[Row]:
    """The rows of these groups, all of them or only these names. Raises ValueError for a name that is in none."""
    every = [(group, name) for group in groups for name in GROUPS[group][1]]
    missing = set(only) - {name for _, name in every}
    if missing:
        raise ValueError(f"no model is named {', '.join(sorted(missing))} in {', '.join(groups)}")
    for group, name in every:
        if not only or name in only:
            yield measured(group, name, rounds, oracles)


def main() -> None:
    """Prints the table, or JSON."""
    chosen = options(
        __doc__,
        group={"default": "all", "choices": ["all", *GROUPS], "help": "which library"},
        only={"default": "", "help": "names of the table, with commas between them (all)"},
        rounds={"default": 0, "help": "rounds that measure F and memory (0: not measured)"},
        oracles={"default": False, "help": "compare with Zennit, Captum and LXT"},
    )
    warnings.filterwarnings("ignore")
    found, groups = [], list(GROUPS) if chosen.group == "all" else [chosen.group]
    only = [name for name in chosen.only.split(",") if name]
    for row in rows(groups, only, chosen.rounds, chosen.oracles):
        found.append(row)
        if not chosen.json:
            says = "explained" if row.explained else "refused"
            figures = f"{row.closure:9.1e}{row.F:7.2f}{row.memory:7.2f}"
            note = "; ".join(filter(None, (row.reason, row.oracle)))
            print(f"{row.group:13}{row.name:29}{says:10}{figures}  {note}", flush=True)
    closed = sum(row.explained and row.closure <= 1e-5 for row in found)
    if chosen.json:
        print(json.dumps([asdict(row) for row in found], indent=2))
    else:
        print(f"{closed} of {len(found)} explained with a closure of 1e-5 or less")


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
