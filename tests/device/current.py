"""The machine of the test that runs."""

from __future__ import annotations

from tests.device.machine import Machine

_machines: list[Machine] = []


def machine() -> Machine:
    """Return the machine of the test that runs."""
    return _machines[-1]


def set_machine(made: Machine) -> None:
    """Let this be the machine."""
    _machines[:] = [made]
