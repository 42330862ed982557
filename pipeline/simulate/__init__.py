"""A simulated CRM whose every probability is known: the sample data and the oracle of the tests."""

from pipeline.simulate.deal_oracle import amount_if_won, p_history_product
from pipeline.simulate.growth_oracle import p_health, p_history_growth
from pipeline.simulate.memory_oracle import p_history_memory
from pipeline.simulate.oracle import p_history, p_history_account, p_state
from pipeline.simulate.project import project_toml
from pipeline.simulate.settings import WorldSettings
from pipeline.simulate.world import World, simulate
from pipeline.simulate.writing import simulate_to_folder, write_world

__all__ = [
    "World",
    "WorldSettings",
    "amount_if_won",
    "p_health",
    "p_history",
    "p_history_account",
    "p_history_growth",
    "p_history_memory",
    "p_history_product",
    "p_state",
    "project_toml",
    "simulate",
    "simulate_to_folder",
    "write_world",
]
