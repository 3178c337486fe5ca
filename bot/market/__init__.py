"""The unified price graph: screening, exact sizing, cycles."""

from bot.market.graph import VenueId
from bot.market.market import Market, OutOfOrder, UnknownVenue
from bot.market.opportunity import Opportunity, Step, disjoint

__all__ = ["Market", "Opportunity", "OutOfOrder", "Step", "UnknownVenue", "VenueId", "disjoint"]
