"""Bad entries of the sections that a run file may have besides, each as `test_bad_files` spoils a file.

A row is what is replaced, by what, the line and key that must be named, and the rule or remedy that must be given.
"""

from __future__ import annotations

from tests.bot.config.writing import spoilt

MISSPELT = "unknown key; did you mean"

_IN_SECTIONS = [
    # the section, what is written in it, the key that must be named, the rule or remedy that must be given
    ("execution", "send_to = []", "send_to", "a list of at least 1"),
    ("execution", 'send_to = ["flashbots"]', "send_to[0]", "no relay 'flashbots' in the run file"),
    ("execution", 'send_to = ["mempool", "mempool"]', "send_to[1]", "'mempool' is there twice; remove one"),
    ("execution", 'send_to = "mempool"', "send_to", "a list in brackets"),
    ("execution", "tip_gwei = -1", "tip_gwei", "a number of zero or more"),
    ("execution", "tip_gwei = 9", "tip_gwei", "a NOOP offers an eighth more, above signer.max_tip_gwei (10); lower it"),
    ("execution", "tip_share_percent = 101", "tip_share_percent", "95 or less"),
    ("execution", "outbid_after_blocks = 0", "outbid_after_blocks", "1 or more"),
    ("execution", "most_in_flight = 0", "most_in_flight", "1 or more"),
    ("execution", "hedge_tolerance_ppm = 1_000_001", "hedge_tolerance_ppm", "100000 or less"),
    ("execution", "unwind_loss_ppm = -1", "unwind_loss_ppm", "0 or more"),
    ("execution", 'agree_above = "1 USDC"', "agree_above", "budgets are counted in ETH"),
    ("execution", 'private_above = "1 USDC"', "private_above", "budgets are counted in ETH"),
    ("breakers", "dead_man_s = -1", "dead_man_s", "0 or more"),
    ("breakers", "dead_man_s = 1.5", "dead_man_s", "a whole number"),
    ("breakers", 'disagreement_s = "long"', "disagreement_s", "expected a number"),
    ("breakers", "dead_man = 5", "dead_man", f"{MISSPELT} 'dead_man_s'?"),
    ("breakers", "prove_every_s = 0", "prove_every_s", "write a number above zero"),
    ("budget", 'day_loss = "-3 ETH"', "day_loss", "write a positive amount"),
    ("budget", "failures_in_a_row = 0", "failures_in_a_row", "1 or more"),
    ("budget", "transactions_a_minute = 0.5", "transactions_a_minute", "a whole number"),
    ("budget", 'capital = "1 BTC"', "capital", "budgets are counted in ETH"),
    ("pools", 'discover = "yes"', "discover", "true or false"),
    ("pools", 'min_liquidity = "-1 ETH"', "min_liquidity", "write a positive amount"),
    ("pools", "max_pools = 0", "max_pools", "1 or more"),
    ("pools", "from_block = -1", "from_block", "0 or more"),
    ("pools", 'vaults = ["0x83F20F44975D03b1b09e64809B757c47f942BEeB"]', "vaults[0]", "wrong EIP-55 checksum"),
    ("pools", 'vaults = ["0x83F20F44975D03b1b09e64809B757c47f942BEeA"]', "vaults", "write `discover = true` too"),
    ("pools", 'url = "pools.db"', "url", "is not a database; write 'sqlite:///"),
    ("pools", "save_blocks = 0", "save_blocks", "1 or more"),
    ("pools", 'tokens = ["WETH", "UDSC"]', "tokens[1]", "unknown token 'UDSC' on twin; did you mean 'USDC'?"),
    ("pools", 'deny_tokens = ["UDST"]', "deny_tokens[0]", "did you mean 'USDT'?"),
    ("pools", 'families = ["constant_produkt"]', "families[0]", "did you mean 'constant_product'?"),
    (
        "pools",
        'protocols = ["uniswap_v9"]',
        "protocols[0]",
        "unknown protocol 'uniswap_v9' on twin; did you mean 'uniswap_v",
    ),
    ("ledger", "folder = 3", "folder", "is not a path; write one in quotes"),
    ("ledger", 'folder = "a\\u0000b"', "folder", "is not a path; write one in quotes"),
    ("ledger", 'url = "postgresql://[::1"', "url", "is not a database; write 'sqlite:///"),
    ("ledger", 'url = "oracle://db/ledger"', "url", "is not a database"),
    ("simulator", "final_verdict = true", "final_verdict", "'anvil' or 'in_process'"),
    ("simulator", "timeout_s = -1", "timeout_s", "a number of zero or more"),
    ("simulator", "timeout_s = 0", "timeout_s", "write a number above zero"),
    ("simulator", "timeout_s = 1e-400", "timeout_s", "write a number above zero"),
    ("simulator", "timeout_s = 1e400", "timeout_s", "write a number below 1e+18"),
    ("simulator", "timeout_s = 1e9", "timeout_s", "write at most 31622400, the seconds of a year"),
    ("simulator", "timeout = 5", "timeout", f"{MISSPELT} 'timeout_s'?"),
    ("node", "timeout_s = -1", "timeout_s", "a number of zero or more"),
    ("node", "timeout_s = 0", "timeout_s", "write a number above zero"),
    (
        "node",
        'endpoints = [{ url = "ws://x", requests_per_s = 0 }]',
        "endpoints[0].requests_per_s",
        "a number above zero",
    ),
    ("node", "endpoints = [{ backup = true }]", "endpoints[0].url", 'write `url = "wss://node.example.org"`'),
    ("node", 'endpoints = [{ url = "ws://x", not_asked = "a" }]', "endpoints[0].not_asked", "a list in brackets"),
    ("state", "compare_every_blocks = 0", "compare_every_blocks", "1 or more"),
    ("state", "compare_pools = 0", "compare_pools", "1 or more"),
    ("state", "calls_per_minute = -1", "calls_per_minute", "1 or more"),
    ("state", 'max_age_s = "old"', "max_age_s", "expected a number"),
    ("state", "max_age_s = 0", "max_age_s", "write a number above zero"),
    ("pending", "queue = 0", "queue", "1 or more"),
    ("pending", "watch = 1", "watch", "true or false"),
    ("pending", "poll = 1", "poll", f"{MISSPELT} 'poll_s'?"),
    ("pending", "poll_s = 0", "poll_s", "write a number above zero"),
    ("recording", 'enabled = "no"', "enabled", "true or false"),
    ("certificate", "enabled = 2", "enabled", "true or false"),
    ("certificate", "enable = true", "enable", f"{MISSPELT} 'enabled'?"),
    ("twin", 'seed = "x"', "seed", "a whole number"),
    ("twin", "seed = 9223372036854775808", "seed", "it must be less than 9223372036854775808"),
    ("twin", "block_time_s = 0", "block_time_s", "1 or more"),
    ("twin", "pace_s = -1", "pace_s", "a number of zero or more"),
    ("twin", "stepped = 0", "stepped", "true or false"),
    ("twin", "exchange_taker_fee_ppm = -1", "exchange_taker_fee_ppm", "0 or more"),
]

SECTIONS = [
    ("[dashboard]", f"[{section}]\n{entry}\n[dashboard]", 17, f"{section}.{key}", remedy)
    for section, entry, key, remedy in _IN_SECTIONS
]

_RELAY = """\
[[relays]]
name = "flashbots"
url = "https://relay.example.org"
kind = "bundle"
"""

_IN_RELAYS = [
    ('name = "flashbots"\n', "", 16, "name", "missing; write"),
    ('"flashbots"', '"mempool"', 17, "name", "the public mempool is called 'mempool'; rename it"),
    ("https://", "ws://", 18, "url", "is not a https/http URL"),
    ('"bundle"', '"bundel"', 19, "kind", "'bundle', 'private', 'raw' or 'mev_share'"),
    ('kind = "bundle"', 'hints = ["everything"]', 19, "hints[0]", "'hash', 'logs' or 'tx_hash'"),
    ('kind = "bundle"', "signed = 1", 19, "signed", "true or false"),
    ('kind = "bundle"', "timeout_s = 0", 19, "timeout_s", "write a number above zero"),
]

RELAYS = [
    ("[dashboard]", f"{spoilt(_RELAY, old, new)}[dashboard]", line, f"relays[0].{key}", remedy)
    for old, new, line, key, remedy in _IN_RELAYS
]

_IN_BUDGETS = [
    ('gas_day = "5 ETH"', 'gas_day = ""', 12, "gas_day", "write a positive amount"),
    ('day_loss = "2 ETH"', 'day_loss = ["2 ETH"]', 11, "day_loss", "in quotes and with its unit"),
    ('per_trade = "0.5 ETH"', 'per_trade = "half"', 9, "per_trade", "write a positive amount"),
    ("[budget]", "[budget]\nfailures_in_a_row = 0", 8, "failures_in_a_row", "1 or more"),
    ("[budget]", "[budget]\ntransactions_a_minute = -5", 8, "transactions_a_minute", "1 or more"),
]

BUDGETS = [(old, new, line, f"budget.{key}", remedy) for old, new, line, key, remedy in _IN_BUDGETS]
