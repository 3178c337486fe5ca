"""The unified price graph: screening, exact sizing, cycles."""

from bot.market.graph import VenueId
from bot.market.journeys import Journey
from bot.market.kinds import EdgeKind
from bot.market.market import Market, OutOfOrder
from bot.market.opportunity import Opportunity, Step, disjoint
from bot.market.readable import ReadableMarket, UnknownVenue
from bot.market.supposed import Supposed
from bot.market.transfers import Transfer

__all__ = [
    "EdgeKind",
    "Journey",
    "Market",
    "Opportunity",
    "OutOfOrder",
    "ReadableMarket",
    "Step",
    "Supposed",
    "Transfer",
    "UnknownVenue",
    "VenueId",
    "disjoint",
]
