"""Facts of each network, as TOML, and the code that reads them."""

from chains.networks.factory import Factory, Family, NoDerivation
from chains.networks.gas import GasModel
from chains.networks.network import Network, UnknownName
from chains.networks.reader import InvalidNetwork, load_network, network_names

__all__ = [
    "Factory",
    "Family",
    "GasModel",
    "InvalidNetwork",
    "Network",
    "NoDerivation",
    "UnknownName",
    "load_network",
    "network_names",
]
