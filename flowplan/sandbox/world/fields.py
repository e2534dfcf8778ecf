"""Checking the fields of a request: every problem found is answered at once, in one 422."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from flowplan.sandbox.world.request import refuse_fields
from flowplan.values.quantity import Money

_MISSING = object()
_LAST_YEAR = 3000


class Fields:
    """Reads typed fields out of a JSON object or a query, collecting what is wrong until `check` is called.

    Each reader returns a neutral value for a field that is wrong, so that reading can go on; nothing read may
    be used before `check`. A null stands for an absent field (provider.md 7-22). In a query, texts are
    converted; in a body only values of the right JSON type are taken.
    """

    def __init__(self, given: Any, *place: str | int) -> None:
        self._place = place
        self._is_query = place[0] == "query"
        self.problems: list[tuple[tuple[str | int, ...], str, str]] = []
        self._given: Mapping[str, Any] = {}
        self._is_given = isinstance(given, Mapping)
        if isinstance(given, Mapping):
            self._given = given
        elif given is None:
            self.problems.append((place, "Field required", "missing"))
        else:
            self.problems.append((place, "Input should be a valid object", "model_attributes_type"))

    def fault(self, name: str, message: str, kind: str = "value_error") -> None:
        """Note that the field ``name`` is wrong."""
        self.problems.append(((*self._place, name), message, kind))

    def check(self) -> None:
        """Refuse the request with 422 if anything was wrong."""
        if self.problems:
            raise refuse_fields(self.problems)

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._given.get(name) is not None

    def _get(self, name: str, required: bool) -> Any:
        value = self._given.get(name)
        if value is None or (self._is_query and value == ""):
            if required and self._is_given:
                self.fault(name, "Field required", "missing")
            return _MISSING
        return value

    def text(
        self, name: str, required: bool = True, pattern: str = "", longest: int = 0, shortest: int = 0
    ) -> str:
        """A text; "" if absent."""
        value = self._get(name, required)
        if value is _MISSING:
            return ""
        if not isinstance(value, str):
            self.fault(name, "Input should be a valid string", "string_type")
            return ""
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            self.fault(name, "Input should be a valid string without lone surrogates", "string_unicode")
            return ""
        if longest and len(value) > longest:
            self.fault(name, f"String should have at most {longest} characters", "string_too_long")
        elif len(value) < shortest:
            self.fault(name, f"String should have at least {shortest} characters", "string_too_short")
        elif pattern and re.fullmatch(pattern, value) is None:
            self.fault(name, f"String should match pattern '{pattern}'", "string_pattern_mismatch")
        return value

    def choice(self, name: str, allowed: Collection[str], required: bool = True, default: str = "") -> str:
        """One of the allowed words; ``default`` if absent."""
        value = self._get(name, required)
        if value is _MISSING:
            return default
        if not isinstance(value, str) or value not in allowed:
            words = ", ".join(repr(word) for word in allowed)
            self.fault(name, f"Input should be one of {words}", "enum")
            return default
        return value

    def integer(
        self, name: str, required: bool = True, minimum: int | None = None, maximum: int | None = None
    ) -> int | None:
        """A whole number; None if absent."""
        value = self._get(name, required)
        if value is _MISSING:
            return None
        if self._is_query and re.fullmatch(r"-?\d{1,18}", str(value)):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self.fault(name, "Input should be a valid integer", "int_type")
            return None
        if minimum is not None and value < minimum:
            self.fault(name, f"Input should be greater than or equal to {minimum}", "greater_than_equal")
        if maximum is not None and value > maximum:
            self.fault(name, f"Input should be less than or equal to {maximum}", "less_than_equal")
        return value

    def boolean(self, name: str, required: bool = False) -> bool | None:
        """True or false; None if absent."""
        value = self._get(name, required)
        if value is _MISSING:
            return None
        if self._is_query:
            value = {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower(), value)
        if not isinstance(value, bool):
            self.fault(name, "Input should be a valid boolean", "bool_type")
            return None
        return value

    def texts(
        self, name: str, required: bool = True, least: int = 0, unique: bool = False
    ) -> tuple[str, ...]:
        """A list of texts, kept in the order given."""
        value = self._get(name, required)
        if value is _MISSING:
            return ()
        if not isinstance(value, list):
            self.fault(name, "Input should be a valid list", "list_type")
            return ()
        for index, item in enumerate(value):
            if not isinstance(item, str):
                self.problems.append(
                    ((*self._place, name, index), "Input should be a valid string", "string_type")
                )
        if len(value) < least:
            self.fault(name, f"List should have at least {least} items", "too_short")
        found = tuple(item for item in value if isinstance(item, str))
        if unique and len(set(found)) != len(found):
            self.fault(name, "List should have no item twice", "unique_items")
        return found

    def commas(self, name: str, allowed: Collection[str] = ()) -> frozenset[str] | None:
        """A comma-joined list in a query (provider.md 1.4); None if absent."""
        value = self._get(name, False)
        if value is _MISSING:
            return None
        items = frozenset(item.strip() for item in str(value).split(",") if item.strip())
        for item in sorted(items):
            if allowed and item not in allowed:
                self.fault(name, f"{item!r} is not one of {', '.join(allowed)}", "enum")
        return items

    def _text(self, name: str, required: bool) -> str | None:
        """A text, perhaps an empty one; None if it is absent or wrong."""
        known = len(self.problems)
        value = self.text(name, required)
        is_absent = self._get(name, required=False) is _MISSING
        return None if is_absent or len(self.problems) > known else value

    def money(self, name: str, required: bool = True) -> int | None:
        """Cents of a price such as "$12.34", "12.5" or "$1,000.00" (provider.md 1.5); None if absent."""
        value = self._text(name, required)
        if value is None:
            return None
        try:
            cents = Money.parse(value).cents
        except ValueError:
            self.fault(name, "Input should be a price such as $12.34")
            return None
        if cents < 0:
            self.fault(name, "Input should be a price of at least $0.00")
        return cents

    def instant(self, name: str, required: bool = True) -> datetime | None:
        """An instant with an offset, in UTC; None if absent."""
        value = self._text(name, required)
        if value is None:
            return None
        # A plus sign in a query arrives as a blank where the sender forgot to quote it.
        text = re.sub(r" (\d\d:?\d\d)$", r"+\1", value)
        try:
            moment = datetime.fromisoformat(text)
        except (ValueError, OverflowError):
            self.fault(name, "Input should be a valid datetime", "datetime_parsing")
            return None
        if moment.tzinfo is None:
            self.fault(name, "Input should have timezone info", "timezone_aware")
            return None
        if not 1970 < moment.year < _LAST_YEAR:
            self.fault(name, f"Input should lie between 1971 and {_LAST_YEAR - 1}", "datetime_range")
            return None
        return moment.astimezone(UTC)

    def object(self, name: str, required: bool = True) -> Fields:
        """The fields of an object inside; its problems are counted here."""
        value = self._get(name, required)
        inner = Fields({} if value is _MISSING else value, *self._place, name)
        self.problems.extend(inner.problems)
        inner.problems = self.problems
        return inner
