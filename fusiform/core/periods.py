"""Lengths of time as people write them: 90d, 6w, 18m, 2y."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta

from fusiform.core.errors import ChoiceError


@dataclass(frozen=True)
class Period:
    """`count` (1 to 999) days, weeks, months or years: `unit` is d, w, m or y."""

    count: int
    unit: str

    @classmethod
    def of(cls, text: str) -> Period:
        """The period that is written "90d", "6w", "18m" or "2y". Raises ChoiceError."""
        read = re.fullmatch(r"([1-9][0-9]{0,2})([dwmy])", text.strip())
        if read is None:
            wanted = "a number from 1 to 999 and d, w, m or y, such as 90d, 6w, 18m, 2y"
            raise ChoiceError("period", wanted, text)
        return cls(int(read[1]), read[2])

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"

    @property
    def days(self) -> float:
        """Its length in days, of mean months and years of the Gregorian calendar."""
        return self.count * {"d": 1.0, "w": 7.0, "m": 365.2425 / 12, "y": 365.2425}[self.unit]

    def before(self, day: date) -> date:
        """The day that lies this long before `day`; where its month is too short (a month before
        31 March), the month's last."""
        if self.unit in "dw":
            return day - timedelta(days=self.count * (7 if self.unit == "w" else 1))
        months = 12 * day.year + day.month - 1 - self.count * (12 if self.unit == "y" else 1)
        year, month = divmod(months, 12)
        last = calendar.monthrange(year, month + 1)[1]
        return date(year, month + 1, min(day.day, last))
