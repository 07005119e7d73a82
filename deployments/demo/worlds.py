"""The worlds that the demo can replay, by the name that a scenario gives them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from deployments.demo.demo_world import DemoWorld
from deployments.demo.flight_world import FLIGHTS
from deployments.demo.scenarios import World
from deployments.demo.visit_world import VISITS

WORLDS: Mapping[World, DemoWorld] = MappingProxyType({"flights": FLIGHTS, "visits": VISITS})
