"""Is pocket's answer istiod's?"""

from __future__ import annotations

import ast
from typing import Any

from tests.pocket.mesh.conformance.reading import NOBODY, NOWHERE
from tests.pocket.mesh.conformance.world import Asked

_PRESENT = ("to", "redirect", "direct", "status", "tcp", "unknown host", "path", "timeout", "retry", "hash", "mirror")


def differences(one: Asked, pocket: dict[str, Any]) -> list[str]:
    """One line for each thing that is not the same."""
    istio, out = one.istio, []
    for name in sorted({*istio, *pocket, *_PRESENT}):
        if name in ("response", "path", "to"):
            continue
        theirs, ours = _plain(istio.get(name)), _plain(pocket.get(name))
        if name == "tcp" and theirs:
            theirs = _plain([[cluster, share, ast.literal_eval(where)] for cluster, share, where in theirs])
        if not _same(theirs, ours):
            out.append(f"{name}: Istio {theirs}, pocket {ours}")
    theirs, ours = istio.get("to") or [], pocket.get("to") or []
    if [to["cluster"] for to in theirs] != [to["cluster"] for to in ours]:
        out.append(f"to: Istio {[to['cluster'] for to in theirs]}, pocket {[to['cluster'] for to in ours]}")
    else:
        for a, b in zip(theirs, ours, strict=True):
            out += _destination(one, a, b)
        if "path" in pocket and istio.get("path") != pocket["path"]:
            out.append(f"path: Istio {istio.get('path')}, pocket {pocket['path']}")
    return out


def _destination(one: Asked, istio: dict[str, Any], pocket: dict[str, Any]) -> list[str]:
    out = []
    for name in ("share", "endpoints"):
        theirs, ours = _plain(istio[name]), _plain(pocket[name])
        if {str(theirs), str(ours)} == {NOBODY, NOWHERE}:
            continue  # the cases do not tell one from the other here, and the answer is 503 in both
        if not _same(theirs, ours):
            out.append(f"{istio['cluster']} {name}: Istio {theirs}, pocket {ours}")
    for name in sorted({*(istio["settings"] or {}), *(pocket["settings"] or {})}):
        theirs, ours = (istio["settings"] or {}).get(name), (pocket["settings"] or {}).get(name)
        if name == "slow_start" and theirs:
            theirs = {**theirs, "aggression": {"default_value": theirs.get("aggression", {}).get("default_value")}}
        if istio["settings"] and not _same(_plain(theirs), _plain(ours)):
            out.append(f"{istio['cluster']} {name}: Istio {theirs}, pocket {ours}")
    if "up_headers" not in pocket:
        if istio["endpoints"] not in (NOBODY, NOWHERE):
            out.append(f"{istio['cluster']}: pocket answers 503")
        return out
    if istio["authority"] not in (pocket["authority"], "auto"):
        out.append(f"{istio['cluster']} authority: Istio {istio['authority']}, pocket {pocket['authority']}")
    if istio["response"] != pocket["response"]:
        out.append(f"{istio['cluster']} response: Istio {istio['response']}, pocket {pocket['response']}")
    asked = {name.lower() for name in one.request["headers"]}
    for name in sorted(asked | set(istio["up_headers"])):
        theirs, ours = sorted(istio["up_headers"].get(name, [])), sorted(pocket["up_headers"].get(name, []))
        if theirs != ours and not any("%" in value for value in theirs):  # Envoy's commands stand unread in the cases
            out.append(f"{istio['cluster']} header {name}: Istio {theirs}, pocket {ours}")
    return out


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON has them."""
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if one is not None}
    return value


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_same, first, second))
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_same(first[name], second[name]) for name in first)
    if isinstance(first, int | float) and isinstance(second, int | float):
        return abs(first - second) < 0.0002
    if isinstance(first, list | dict) or isinstance(second, list | dict):
        return bool(first == second)
    return first == second or {first, second} == {None, 0.0}  # a percentage that is not there is none
