"""The unified price graph: screening, exact sizing, cycles."""

from bot.market.graph import VenueId
from bot.market.market import Market, OutOfOrder
from bot.market.opportunity import Opportunity, Step, disjoint
from bot.market.readable import ReadableMarket, UnknownVenue
from bot.market.supposed import Supposed

__all__ = [
    "Market",
    "Opportunity",
    "OutOfOrder",
    "ReadableMarket",
    "Step",
    "Supposed",
    "UnknownVenue",
    "VenueId",
    "disjoint",
]
