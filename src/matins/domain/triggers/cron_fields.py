"""Reads a cron expression into six plain fields, as cronsim takes them, or says which value of which field is wrong.

What cronsim lacks is spelt out here in its own terms: ``@daily`` and its like, ``?``, ranges that wrap around
(``22-2``, ``FRI-MON``) and names in every place a number may stand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from matins.errors import TriggerError

LONGEST_EXPRESSION = 500

_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}
_WEEKDAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}
_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_RANGE = re.compile(r"(?P<first>\*|[A-Za-z0-9]+)(?:-(?P<last>[A-Za-z0-9]+))?(?:/(?P<step>[A-Za-z0-9]+))?")
_LAST_OF_MONTH = re.compile(r"(?P<day>[A-Za-z0-9]+?)[Ll]")
_NTH_OF_MONTH = re.compile(r"(?P<day>[A-Za-z0-9]+)#(?P<nth>[A-Za-z0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class CronFields:
    """Second, minute, hour, day of month, month and day of week, in numbers."""

    fields: tuple[str, str, str, str, str, str]
    fixed_time: bool
    """Whether second, minute and hour are all given, so that it names times of day rather than a rhythm."""

    @property
    def day(self) -> str:
        return self.fields[3]

    @property
    def weekday(self) -> str:
        return self.fields[5]

    def __str__(self) -> str:
        return " ".join(self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    name: str
    low: int
    high: int
    names: dict[str, int]

    @property
    def cycle(self) -> int:
        """After how many steps it comes round; Sunday's second number, 7, is no day of its own."""
        return 7 if self.names is _WEEKDAYS else self.high - self.low + 1

    @property
    def expected(self) -> str:
        named = f" or {next(iter(self.names))} to {list(self.names)[-1]}" if self.names else ""
        return f"a number from {self.low} to {self.high}{named}"


_FIELDS = (
    _Field(name="second", low=0, high=59, names={}),
    _Field(name="minute", low=0, high=59, names={}),
    _Field(name="hour", low=0, high=23, names={}),
    _Field(name="day of month", low=1, high=31, names={}),
    _Field(name="month", low=1, high=12, names=_MONTHS),
    _Field(name="day of week", low=0, high=7, names=_WEEKDAYS),
)
_DAY, _WEEKDAY = _FIELDS[3], _FIELDS[5]


class _Wrong(Exception):
    """Why a value cannot be read."""


def read_fields(expression: str) -> CronFields:
    """The fields of an expression, checked.

    Raises:
        TriggerError: One line that names the expression, the field and the value.
    """
    texts = _split(expression)
    seconds = ["0"] if len(texts) == 5 else []
    fields = tuple(
        _read_field(expression, field, text) for field, text in zip(_FIELDS, [*seconds, *texts], strict=True)
    )
    second, minute, hour, day, month, weekday = fields
    return CronFields(
        fields=(second, minute, hour, day, month, weekday),
        fixed_time=not any(field.startswith("*") for field in (second, minute, hour)),
    )


def _split(expression: object) -> list[str]:
    """The five or six texts between the spaces."""
    if not isinstance(expression, str):
        raise TriggerError(f"cron expression {expression!r} is not text.")
    if len(expression) > LONGEST_EXPRESSION:
        raise TriggerError(f"cron expression {expression[:40]!r}… is longer than {LONGEST_EXPRESSION} characters.")
    text = expression.strip()
    if text.startswith("@"):
        text = _macro(text)
    texts = text.split()
    if len(texts) not in (5, 6):
        raise TriggerError(
            f"cron expression {expression!r} has {len(texts)} field{'' if len(texts) == 1 else 's'}.",
            remedy="It takes five: minute, hour, day of month, month, day of week; or six, seconds first.",
        )
    return texts


def _macro(text: str) -> str:
    name = text.lower()
    if name == "@reboot":
        raise TriggerError(
            "cron expression '@reboot' is refused: a schedule fires at instants, and the start of a machine is none.",
            remedy="Let the service manager run what is to run at boot.",
        )
    if name not in _MACROS:
        raise TriggerError(f"cron expression {text!r} is not known.", remedy=f"There are {', '.join(_MACROS)}.")
    return _MACROS[name]


def _read_field(expression: str, field: _Field, text: str) -> str:
    """The field in cronsim's terms. A leading star stays: it decides how days combine and what a clock change does."""
    if text == "?" and field in (_DAY, _WEEKDAY):
        return "*"
    terms = text.split(",")
    try:
        read = [_read_term(field, term) for term in terms]
    except _Wrong as wrong:
        value = "" if len(terms) == 1 and str(wrong).startswith(repr(text)) else f" {text!r}:"
        raise TriggerError(f"cron expression {expression!r}: {field.name}{value} {wrong}.") from None
    return "*" if "*" in terms and terms[0].startswith("*") else ",".join(read)


def _read_term(field: _Field, term: str) -> str:
    if field is _DAY and term.upper() in ("L", "LW"):
        return term.upper()
    if field is _WEEKDAY and (match := _LAST_OF_MONTH.fullmatch(term)):
        return f"{_number(field, match['day'])}L"
    if field is _WEEKDAY and (match := _NTH_OF_MONTH.fullmatch(term)):
        return f"{_number(field, match['day'])}#{_nth(match['nth'])}"
    if (match := _RANGE.fullmatch(term)) is None or (match["first"] == "*" and match["last"]):
        raise _Wrong(f"{term!r} is not {field.expected}" if term else "a value is missing")
    return _read_range(field, match["first"], match["last"], match["step"])


def _read_range(field: _Field, first_text: str, last_text: str | None, step_text: str | None) -> str:
    step = "" if step_text is None else f"/{_step(step_text)}"
    if first_text == "*":
        return f"*{step}"
    first = _number(field, first_text)
    if last_text is None:
        return f"{first}{step}"
    last = _number(field, last_text)
    if first <= last:
        return f"{first}-{last}{step}"
    return _wrapped(field, first, last, int(step[1:] or 1))


def _wrapped(field: _Field, first: int, last: int, step: int) -> str:
    """A range across the end of its cycle, every value spelt out in its order: 22-2 is 22,23,0,1,2."""
    start = first % 7 if field is _WEEKDAY else first
    length = (last - start) % field.cycle
    return ",".join(str((start - field.low + ahead) % field.cycle + field.low) for ahead in range(0, length + 1, step))


def _number(field: _Field, text: str) -> int:
    number = field.names.get(text.upper())
    if number is None and re.fullmatch("[0-9]{1,9}", text):
        number = int(text)
    if number is None or not field.low <= number <= field.high:
        raise _Wrong(f"{text!r} is not {field.expected}")
    return number


def _step(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) == 0:
        raise _Wrong(f"the step {text!r} is not a number from 1")
    return int(text)


def _nth(text: str) -> int:
    if text not in ("1", "2", "3", "4", "5"):
        raise _Wrong(f"{text!r} after # is not a number from 1 to 5")
    return int(text)
