"""Every refusal of the service has a status, and every status its own reason."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module

import services.friendship
from chassis.errors import CHASSIS_ERRORS
from chassis.files import refusals as file_refusals
from chassis.refusals import Refusal
from services.friendship.errors import ERRORS


def test_every_refusal_of_the_service_is_in_the_table() -> None:
    found: set[type[Refusal]] = set()
    for module in pkgutil.walk_packages(services.friendship.__path__, "services.friendship."):
        if "migrations" in module.name or module.name.endswith("__main__"):
            continue
        members = vars(import_module(module.name)).values()
        found |= {
            kind
            for kind in members
            if inspect.isclass(kind)
            and issubclass(kind, Refusal)
            and kind.__module__.startswith("services.")
        }
    assert found == {kind for kind in ERRORS if kind.__module__.startswith("services.")}
    assert found


def test_every_refusal_of_files_is_in_the_table() -> None:
    members = vars(file_refusals).values()
    kinds = [kind for kind in members if inspect.isclass(kind) and issubclass(kind, Refusal)]
    of_files = [kind for kind in kinds if kind.__module__ == file_refusals.__name__]
    assert len(of_files) > 5
    assert all(set(kind.__mro__) & set(ERRORS) for kind in of_files)


def test_reasons_are_not_shared() -> None:
    reasons = [spec.reason for spec in ERRORS.values()]
    assert len(set(reasons)) == len(reasons)
    assert not set(reasons) & {spec.reason for spec in CHASSIS_ERRORS.values()}
