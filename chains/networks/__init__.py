"""Facts of each network, as TOML, and the code that reads them."""

from chains.networks.network import Factory, Family, Network, UnknownName
from chains.networks.reader import InvalidNetwork, load_network, network_names

__all__ = ["Factory", "Family", "InvalidNetwork", "Network", "UnknownName", "load_network", "network_names"]
