"""A simulated CRM whose every probability is known: the sample data and the oracle of the tests."""

from pipeline.simulate.oracle import p_history, p_state
from pipeline.simulate.project import project_toml
from pipeline.simulate.settings import WorldSettings
from pipeline.simulate.world import World, simulate
from pipeline.simulate.writing import simulate_to_folder, write_world

__all__ = [
    "World",
    "WorldSettings",
    "p_history",
    "p_state",
    "project_toml",
    "simulate",
    "simulate_to_folder",
    "write_world",
]
