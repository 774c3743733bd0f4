"""Options that belong together as one record: a command takes the record, the command line shows its options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints

_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def spread(command: Callable[..., Any]) -> Callable[..., Any]:
    """`command` with every parameter whose type is a dataclass replaced by that record's fields, in their order.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Size:
    ...     width: int = 2
    ...     height: int = 3
    >>> def area(size: Size, times: int = 1) -> int:
    ...     return times * size.width * size.height
    >>> list(inspect.signature(spread(area)).parameters), spread(area)(width=5, height=3, times=2)
    (['width', 'height', 'times'], 30)
    """
    kinds = get_type_hints(command, include_extras=True)
    records: dict[str, Any] = {name: kind for name, kind in kinds.items() if is_dataclass(kind)}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in records:
            parameters.extend(_options(records[parameter.name]))
        else:
            parameters.append(parameter.replace(kind=_KEYWORD, annotation=kinds[parameter.name]))

    @wraps(command)
    def called(**given: Any) -> Any:
        for name, record in records.items():
            given[name] = record(**{field.name: given.pop(field.name) for field in fields(record)})
        return command(**given)

    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called


def _options(record: Any) -> list[inspect.Parameter]:
    """The fields of a dataclass as parameters of a function."""
    kinds = get_type_hints(record, include_extras=True)
    found = inspect.signature(record).parameters.values()
    return [
        parameter.replace(kind=_KEYWORD, annotation=kinds[parameter.name]) for parameter in found
    ]
