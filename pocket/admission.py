"""What pocket can honour, as the API server asks for it: of custom resources the mesh knows it, of pods the kubelet."""

from __future__ import annotations

from collections.abc import Callable

from pocket.kubelet import supported
from pocket.mesh import admission
from pocket.mesh.gatewayapi import convert as gatewayapi
from pocket.mesh.model import Snapshot
from pocket.mesh.supported import SPECS
from pocket.objects import FieldError, Obj, kind_of


class MeshAdmission:
    """`snapshot` gives the state that warnings (a route to a host that is not there) are judged by."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def check(self, obj: Obj) -> list[FieldError]:
        """What is wrong with the object."""
        kind = kind_of(obj)
        if kind in SPECS:
            return admission.check(obj)
        return supported.check(obj) if kind == obj["kind"] else []

    def honours(self, kind: str) -> bool:
        """Does the mesh, or the scraping, act on it?"""
        return kind in SPECS or kind in gatewayapi.KINDS

    def warnings(self, obj: Obj) -> list[str]:
        """What is accepted but probably not meant."""
        return admission.warnings(obj, self._snapshot()) if kind_of(obj) in SPECS else []
