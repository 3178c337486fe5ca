"""What tests need that ask the EVM in this process."""

import pytest

from bot.simulator import local

needs_evm = pytest.mark.skipif(not local.available(), reason="this Python has no pyrevm")
