"""The parts that PromQL is put together from: matchers, with their values quoted."""

from __future__ import annotations

from collections.abc import Sequence


def quote(text: str) -> str:
    """A PromQL string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def matcher(label: str, value: str) -> str:
    return f"{label}={quote(value)}"


def equals(label: str, names: Sequence[str]) -> str:
    """A matcher for one of several names."""
    return f'{label}="{names[0]}"' if len(names) == 1 else f'{label}=~"{any_of(names)}"'


def differs(label: str, names: Sequence[str]) -> str:
    return f'{label}!="{names[0]}"' if len(names) == 1 else f'{label}!~"{any_of(names)}"'


def any_of(names: Sequence[str]) -> str:
    return "|".join(name.replace(".", "\\\\.") for name in names)


def pattern(label: str, service: str, namespace: str) -> str:
    """A matcher for every host that is a service's full name, whatever the domain."""
    return f'{label}=~"^{any_of([service])}\\\\.{any_of([namespace])}\\\\..*$"'
