"""What this machine may be used for: switches that somebody set, and the stricter one holds.

A policy is a TOML file: `/etc/fusiform/policy.toml` for everybody on the machine, and beside it the
file that FUSIFORM_POLICY names, else `policy.toml` in FUSIFORM_HOME. It may say

    [allow]
    search_by_picture = false   # see SWITCHES; what is not named is allowed
    [keep]
    retention = "2y"            # faces go that long after they came in, whatever the gallery says
    [consent]
    required = true             # nobody without consent that stands is found, named or written

Whatever cannot be understood is refused: a switch that is misspelt must not be one that is on.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusiform.core.errors import ChoiceError, PolicyDamaged, PolicyForbids
from fusiform.core.periods import Period
from fusiform.hub.files import home

SYSTEM = Path("/etc/fusiform/policy.toml")
SWITCHES = {
    "index": "taking photos in",
    "embed": "handing out embeddings",
    "verify": "comparing two pictures",
    "search_by_picture": "search by picture",
    "search_by_name": "search by name",
    "names": "naming people",
    "write_names": "writing names beside photos",
    "export": "taking people out of the gallery",
}
"""What `[allow]` can switch off, and how messages call it."""

_KEYS = {"allow": set(SWITCHES), "keep": {"retention"}, "consent": {"required"}}


@dataclass(frozen=True)
class Rule:
    """One `setting` ("allow.index", "keep.retention", "consent.required"), its `value`, and the
    `file` it stands in; None where it is what holds without any."""

    setting: str
    value: bool | str | None
    file: Path | None


@dataclass(frozen=True)
class Policy:
    """All rules by their settings, and the `files` they were read from."""

    rules: Mapping[str, Rule]
    files: tuple[Path, ...]

    def ask(self, switch: str) -> None:
        """Raises PolicyForbids if `switch`, one of SWITCHES, is off."""
        rule = self.rules[f"allow.{switch}"]
        if not rule.value:
            raise PolicyForbids(f"{SWITCHES[switch]} is switched off by {rule.file}.")

    @property
    def consent_required(self) -> bool:
        """Whether only people whose consent stands are found, named and written."""
        return bool(self.rules["consent.required"].value)

    @property
    def retention(self) -> Period | None:
        """How long faces may be kept."""
        value = self.rules["keep.retention"].value
        return Period.of(value) if isinstance(value, str) else None


def ask(switch: str) -> Policy:
    """The policy that holds now. Raises PolicyForbids if it has `switch` off, PolicyDamaged."""
    policy = read_policy()
    policy.ask(switch)
    return policy


def read_policy() -> Policy:
    """The policy that holds now, the stricter rule of each setting. Raises PolicyDamaged."""
    rules = {f"allow.{switch}": Rule(f"allow.{switch}", True, None) for switch in SWITCHES}
    rules["keep.retention"] = Rule("keep.retention", None, None)
    rules["consent.required"] = Rule("consent.required", False, None)
    files = [file for file in _places() if os.path.lexists(file)]
    for file in files:
        for rule in _rules_of(file):
            rules[rule.setting] = _stricter(rules[rule.setting], rule)
    return Policy(rules, tuple(files))


def _places() -> tuple[Path, Path]:
    named = os.environ.get("FUSIFORM_POLICY")
    if named and not os.path.lexists(os.path.expanduser(named)):
        raise PolicyDamaged(f"{named} does not exist; FUSIFORM_POLICY must name a policy.")
    return SYSTEM, Path(named).expanduser() if named else home() / "policy.toml"


def _stricter(one: Rule, other: Rule) -> Rule:
    return max(one, other, key=lambda rule: (_strictness(rule), rule.file is not None, rule is one))


def _strictness(rule: Rule) -> float:
    """A number that is higher the less a rule allows."""
    if rule.setting == "keep.retention":
        return -Period.of(str(rule.value)).days if rule.value else -float("inf")
    return float(rule.value is (rule.setting == "consent.required"))


def _rules_of(file: Path) -> list[Rule]:
    try:
        told = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PolicyDamaged(f"{file} cannot be read as TOML ({reason}); {_REMEDY}") from error
    for table, settings in told.items():
        if table not in _KEYS or not isinstance(settings, dict):
            raise _unknown(file, table, [f"[{key}]" for key in _KEYS])
        for key in settings.keys() - _KEYS[table]:
            raise _unknown(file, f"{table}.{key}", sorted(_KEYS[table]))
    return [
        Rule(f"{table}.{key}", _value(file, f"{table}.{key}", value), file)
        for table, settings in told.items()
        for key, value in settings.items()
    ]


_REMEDY = "until it is mended, what it may forbid is forbidden."


def _unknown(file: Path, key: str, known: list[str]) -> PolicyDamaged:
    return PolicyDamaged(f"{file} has {key}, which is none of {', '.join(known)}; {_REMEDY}")


def _value(file: Path, setting: str, value: Any) -> bool | str:
    if setting != "keep.retention":
        if not isinstance(value, bool):
            raise PolicyDamaged(f"{file}: {setting} must be true or false; {_REMEDY}")
        return value
    try:
        return str(Period.of(value if isinstance(value, str) else repr(value)))
    except ChoiceError as error:
        raise PolicyDamaged(f"{file}: {setting}: {error} {_REMEDY}") from error
