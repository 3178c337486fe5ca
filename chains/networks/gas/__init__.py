"""What gas costs on a network, as exact integers; no I/O."""

from chains.networks.gas.arbitrum import ArbitrumData
from chains.networks.gas.model import (
    NO_DATA,
    BaseFeeRule,
    Cost,
    DataFees,
    DataModel,
    GasModel,
    NoGasPrice,
    Offer,
)
from chains.networks.gas.op_stack import OpStackData

__all__ = [
    "NO_DATA",
    "ArbitrumData",
    "BaseFeeRule",
    "Cost",
    "DataFees",
    "DataModel",
    "GasModel",
    "NoGasPrice",
    "Offer",
    "OpStackData",
]
