"""The run file, `isthmus.toml`: one class per section. The text under each key is its documentation everywhere."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from bot.config.budgets import BreakerSettings, TotalBudgetSettings
from bot.config.pending import PendingSettings
from bot.config.pools import PoolSettings
from bot.config.recording import RecordingSettings
from bot.config.relays import LONGEST_NAME, DestinationName, RelaySettings
from bot.config.section import Many, Section
from bot.config.state import StateSettings
from bot.config.strategies import StrategyConfig
from bot.config.transfers import TransferSettings
from bot.config.values import (
    AnyAmount,
    AnyKeyPlace,
    ChainAddress,
    DatabaseUrl,
    EndpointUrl,
    EthAmount,
    ExchangeUrl,
    FilePath,
    KeyPlace,
    LoopbackHost,
    Number,
    Port,
    PositiveNumber,
    PositiveSeconds,
    Seconds,
    SecretReference,
    Symbol,
    TokenName,
)
from bot.signer.sources import KeySource, Kind
from bot.transaction import MOST_GAS
from chains.assets import Amount


class EndpointConfig(Section):
    """One endpoint with its terms; where only the URL matters, the URL stands for the table."""

    url: Annotated[EndpointUrl, Field(examples=["wss://node.example.org"])]
    """http(s), ws(s), or a Unix socket (`/path/geth.ipc`); `env:NAME` when the URL carries a key."""

    requests_per_s: Annotated[PositiveNumber | None, Field(examples=[25])] = None
    """Most requests a second the provider allows; it is asked no faster."""

    daily_units: Annotated[int | None, Field(ge=1, examples=[9_000_000])] = None
    """Most units a day (UTC) to use of it; at the cap only what is in flight is brought home with it."""

    units: Annotated[dict[str, Annotated[int, Field(ge=0)]], Field(default_factory=dict, examples=[{"eth_call": 26}])]
    """What a method costs there, where it differs from Alchemy's compute units."""

    backup: Annotated[bool, Field(examples=[True])] = False
    """Whether it is asked only when the others cannot answer."""

    archive: Annotated[bool | None, Field(examples=[True])] = None
    """Whether it has the state of old blocks; left out, it is found out."""

    not_asked: Annotated[tuple[str, ...], Field(strict=False, examples=[["eth_getLogs"]]), Many] = ()
    """Methods it must not be asked."""


def _endpoint(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


class NodeSettings(Section):
    """The network's node: one or several endpoints. The twin brings its own."""

    endpoints: Annotated[
        tuple[Annotated[EndpointConfig, BeforeValidator(_endpoint, json_schema_input_type=str | EndpointConfig)], ...],
        Field(strict=False, examples=[["ws://127.0.0.1:8546"]]),
        Many,
    ] = ()
    """Where it is reached: URLs, or tables as below. Each stands in for the others."""

    timeout_s: Annotated[PositiveSeconds | None, Field(examples=[10])] = None
    """Seconds without an answer after which a question counts as unanswered. Left out: 0.8 of a block, 3 to 10."""


class ExchangeSettings(Section):
    """A centralised exchange, through ccxt. It is traded at where ccxt finds orders by their client ids."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=LONGEST_NAME, examples=["binance"])]
    """What this exchange is called here: in strategies, the ledger and the dashboard."""

    ccxt_id: Annotated[str | None, Field(pattern=r"^[a-z][a-z0-9]*$", examples=["binance"])] = None
    """Its name in ccxt; the same as `name` when left out."""

    symbols: Annotated[tuple[Symbol, ...], Field(strict=False, min_length=1, examples=[["ETH/USDT"]]), Many]
    """The order books to watch, as ccxt writes them."""

    urls: Annotated[
        dict[str, ExchangeUrl],
        Field(default_factory=dict, examples=[{"api": {"public": "https://api.binance.com/api/v3"}}]),
    ]
    """URLs to use instead of ccxt's, in the shape of ccxt's own `urls`."""

    api_key: Annotated[SecretReference | None, Field(examples=["env:BINANCE_KEY"])] = None
    """Where the API key is kept: `env:NAME` or `file:PATH` (a file only its owner can read)."""

    api_secret: Annotated[SecretReference | None, Field(examples=["file:secrets/binance"])] = None
    """Where the API secret is kept. The key needs trading permission only; never withdrawal."""

    api_passphrase: Annotated[SecretReference | None, Field(examples=["env:OKX_PASSPHRASE"])] = None
    """Where the passphrase of the API key is kept, at exchanges whose keys have one: OKX, KuCoin, Bitget."""

    taker_fee_ppm: Annotated[int | None, Field(ge=0, le=100_000, examples=[1000])] = None
    """Taker fee in parts per million (1000 is 0.1 %), instead of what the exchange reports."""


class LedgerSettings(Section):
    """Where everything the bot sees and does is written."""

    url: Annotated[DatabaseUrl | None, Field(examples=["sqlite:///var/ledger.sqlite3"])] = None
    """SQLAlchemy URL. Left out: an SQLite file in `folder`, one per chain for live runs, one per run otherwise."""

    folder: Annotated[FilePath, Field(examples=["var/runs"], validate_default=True)] = Path("var/runs")
    """Folder of the runs' files: ledgers, the signer's journal and its socket."""


class SignerSettings(Section):
    """The limits the signer enforces by itself on every transaction."""

    keystore: Annotated[FilePath | None, Field(examples=["secrets/operator.json"])] = None
    """Web3 secret-storage file of the hot key. Left out: a throw-away key, on test chains only."""

    key: Annotated[KeyPlace | None, Field(examples=["kms:/run/kms.sock#alias/isthmus"])] = None
    """Where else the hot key is kept: `kms:SOCKET#KEY`, `pkcs11:LIBRARY#TOKEN/LABEL`; `env:NAME` on test chains."""

    further_keys: Annotated[
        tuple[AnyKeyPlace, ...], Field(strict=False, max_length=3, examples=[["secrets/second.json"]]), Many
    ] = ()
    """Up to three more operators: keystores, or places as in `key`; the first key's passphrase opens them too."""

    user: Annotated[str | None, Field(pattern=r"^[^\s\x00:/]+$", examples=["isthmus-signer"])] = None
    """User, by name or number, that root has the signer be; left out, `isthmus-signer` if there is one, else 65528."""

    max_fee_gwei: Annotated[Number, Field(examples=[200])] = Decimal(200)
    """Most it signs per gas, in gwei: base fee and tip together."""

    max_tip_gwei: Annotated[Number, Field(examples=[10])] = Decimal(10)
    """Most it signs as a tip per gas, in gwei; and most that `isthmus executor` pays with the owner's key."""

    gas_limit: Annotated[int, Field(ge=21_000, le=MOST_GAS, examples=[2_000_000])] = 2_000_000
    """Most gas one transaction may use, at most 16777216 (EIP-7825)."""

    deadline_blocks: Annotated[int, Field(ge=1, le=100, examples=[3])] = 3
    """How many blocks after the decided one a transaction may still land in."""

    max_verdict_age_s: Annotated[PositiveSeconds, Field(examples=[12])] = 12.0
    """Seconds after which a simulation is too old to sign on."""

    max_drift_ppm: Annotated[int, Field(ge=0, le=1_000_000, examples=[100_000])] = 250_000
    """How far below the opening prices an exchange of inventory may settle, in parts per million."""

    owner: Annotated[ChainAddress | None, Field(examples=["0x70997970C51812dc3A010C7d01b50e0d17dc79C8"])] = None
    """Whose signed grants raise limits (`isthmus budget grant`). That key is never given to the bot."""

    @property
    def first_key(self) -> KeySource | None:
        """Where the first operator's key is kept, if it is."""
        if self.keystore is not None:
            return KeySource(Kind.KEYSTORE, str(self.keystore.absolute()))
        return self.key

    @property
    def keys(self) -> tuple[KeySource, ...]:
        """Where each operator's key is kept; none, where runs make throw-away ones."""
        return () if self.first_key is None else (self.first_key, *self.further_keys)


class ExecutionSettings(Section):
    """What transactions offer, and how the exchange side of two-sided plans is closed."""

    tip_gwei: Annotated[Number, Field(examples=[2])] = Decimal(2)
    """Tip per gas, in gwei, on top of the base fee."""

    tip_share_percent: Annotated[int, Field(ge=0, le=95, examples=[60])] = 0
    """Most of what a plan can spare that is offered as a tip, as learnt from what landed; 0 keeps to `tip_gwei`."""

    send_to: Annotated[
        tuple[DestinationName, ...], Field(strict=False, min_length=1, examples=[["mempool", "flashbots"]]), Many
    ] = ("mempool",)
    """Where transactions may go: `mempool` (on a rollup, its sequencer) and names of relays."""

    private_above: Annotated[EthAmount, Field(examples=["0.01 ETH"])] = Amount(Decimal("0.01"), "ETH")
    """Cycles expected to earn as much go to the relays of `send_to` alone, while those land what they take."""

    outbid_after_blocks: Annotated[int, Field(ge=1, le=100, examples=[2])] = 2
    """How many blocks a transaction waits before the same call is signed for fees an eighth higher."""

    most_in_flight: Annotated[int, Field(ge=1, le=1_000, examples=[16])] = 16
    """Most transactions of one key that wait for a block (geth is sure to keep 16); what unwinds may exceed it."""

    hedge_tolerance_ppm: Annotated[int, Field(ge=0, le=100_000, examples=[1000])] = 1_000
    """How far past the book's price a hedge may reach, in parts per million.
    Past its plan's price a tenth, until the chain could not take the trade back."""

    unwind_loss_ppm: Annotated[int, Field(ge=0, le=10_000, examples=[10000])] = 10_000
    """Most that unwinding an overdue hedge on the chain may give up below its quote, in parts per million."""

    agree_above: Annotated[EthAmount | None, Field(examples=["1 ETH"])] = None
    """Worst case beyond which two endpoints must tell the same block before a plan is sent; needs two endpoints."""


class SimulatorSettings(Section):
    """How a transaction is judged before it is signed."""

    final_verdict: Annotated[Literal["anvil", "in_process"], Field(examples=["anvil"])] = "anvil"
    """Which simulator has the last word: `anvil`, a fork of the decided block, or `in_process`, the bot's own EVM."""

    timeout_s: Annotated[PositiveSeconds, Field(examples=[5])] = 5.0
    """Seconds after which a simulation counts as unanswered, which never counts as profitable."""

    moved_above: Annotated[EthAmount, Field(examples=["10 ETH"])] = Amount(Decimal(10), "ETH")
    """Plans that turn over as much are also asked what they come to where their pools move 10, 50 and 100 bps."""

    most_loss_if_moved: Annotated[EthAmount, Field(examples=["0.05 ETH"])] = Amount(Decimal("0.05"), "ETH")
    """Most that such a plan may lose, gas included, where others move its pools 10 bps before it lands."""


class ExecutorSettings(Section):
    """The contract that settles plans; `isthmus executor deploy` prints its address."""

    address: Annotated[ChainAddress | None, Field(examples=["0x5FbDB2315678afecb367f032d93F642f64180aa3"])] = None
    """Where it is deployed. Left out on a test chain: it is deployed at the start of the run."""

    profit_tokens: Annotated[
        tuple[TokenName, ...], Field(strict=False, min_length=1, max_length=4, examples=[["WETH", "USDC"]]), Many
    ] = ("WETH",)
    """Tokens a closed cycle may gain, at most four; one that passes several begins and ends in the first of them.
    Fixed when the contract is deployed."""

    inventory_caps: Annotated[
        tuple[AnyAmount, ...], Field(strict=False, max_length=4, examples=[["20 WETH", "50000 USDT"]]), Many
    ] = ()
    """Inventory tokens, at most four, and the most of each that may be spent per block. Fixed when it is deployed."""

    reference_pools: Annotated[
        tuple[ChainAddress, ...],
        Field(strict=False, max_length=3, examples=[["0x11b815efB8f581194ae79006d24E0d814B7697F6"]]),
        Many,
    ] = ()
    """The Uniswap V3 pools that price each inventory token beyond the first in it; left out: the deepest there are."""

    reference_window_s: Annotated[int, Field(ge=60, le=86_400, examples=[600])] = 600
    """Seconds an inventory price is the mean of: the longer, the dearer to bend. Fixed when it is deployed."""

    allowed_slippage_ppm: Annotated[int, Field(ge=0, le=500_000, examples=[20_000])] = 20_000
    """How far below that mean an exchange of inventory may end, in parts per million. Fixed when it is deployed."""


class DashboardSettings(Section):
    """The page that shows what the bot does."""

    enabled: Annotated[bool, Field(examples=[True])] = True
    """Whether to serve it."""

    host: Annotated[LoopbackHost, Field(examples=["127.0.0.1"])] = "127.0.0.1"
    """Address to listen on; only this machine's own for now."""

    port: Annotated[Port, Field(examples=[8080])] = 0
    """Port to listen on; 0 takes any free one, and the run prints which."""


class CertificateSettings(Section):
    """What each block had to give at most, found out beside the run; docs/packed-market.md."""

    enabled: Annotated[bool, Field(examples=[True])] = True
    """Whether a process of its own certifies blocks, as far as it can keep up."""

    plan_within_ms: Annotated[int, Field(ge=0, le=60_000, examples=[50])] = 0
    """Most milliseconds a decision waits for the optimum of the whole market, planned where it nets more; 0: never."""


class TwinSettings(Section):
    """The local twin of mainnet; read only when `network = "twin"`."""

    seed: Annotated[int, Field(ge=0, lt=2**63, examples=[1])] = 1
    """Seed of its traders. The same seed gives the same market, and the bot the same decisions."""

    block_time_s: Annotated[int, Field(ge=1, le=3600, examples=[1])] = 1
    """Seconds between the timestamps of two blocks."""

    pace_s: Annotated[Seconds, Field(examples=[1])] = 1.0
    """Least seconds of real time between two blocks; 0 is as fast as the bot decides."""

    stepped: Annotated[bool, Field(examples=[True])] = True
    """Whether each block waits for the bot's decisions (reproducible) or comes by the clock."""

    exchange_taker_fee_ppm: Annotated[int, Field(ge=0, le=100_000, examples=[230])] = 230
    """Taker fee of the local exchange in parts per million; 230 was Binance's at VIP 9 in 2024."""


class RunSections(Section):
    """What the run file and the configuration read from it have in common."""

    network: Annotated[str, Field(examples=["twin"])] = "twin"
    """The chain to trade on: a name in chains/networks, or the path of a network file."""

    families: Annotated[tuple[FilePath, ...], Field(strict=False, examples=[["constant_sum.py"]]), Many] = ()
    """Python files that each add a pool family (docs/add-a-pool.md). One without proofs is known, and never traded."""

    node: NodeSettings = NodeSettings()
    exchanges: Annotated[tuple[ExchangeSettings, ...], Field(strict=False), Many] = ()
    relays: Annotated[tuple[RelaySettings, ...], Field(strict=False), Many] = ()
    transfers: Annotated[tuple[TransferSettings, ...], Field(strict=False), Many] = ()
    ledger: LedgerSettings = LedgerSettings()
    pools: PoolSettings = PoolSettings()
    signer: SignerSettings = SignerSettings()
    budget: TotalBudgetSettings = TotalBudgetSettings()
    breakers: BreakerSettings = BreakerSettings()
    execution: ExecutionSettings = ExecutionSettings()
    simulator: SimulatorSettings = SimulatorSettings()
    state: StateSettings = StateSettings()
    pending: PendingSettings = PendingSettings()
    recording: RecordingSettings = RecordingSettings()
    executor: ExecutorSettings = ExecutorSettings()
    dashboard: DashboardSettings = DashboardSettings()
    certificate: CertificateSettings = CertificateSettings()
    twin: TwinSettings = TwinSettings()


class RunFile(RunSections):
    """`isthmus.toml` as it is written."""

    strategies: Annotated[
        tuple[FilePath, ...], Field(strict=False, min_length=1, examples=[["strategies/dex_arbitrage.toml"]]), Many
    ]
    """Strategy files to run, each with its own parameters and budget."""


class RunConfig(RunSections):
    """A run file and its strategy files, read and checked: all that a run is told."""

    source: Path | None
    strategies: tuple[StrategyConfig, ...]

    @property
    def digest(self) -> str:
        """Hex of SHA-256 over every setting a decision can depend on: not where files lie or the page is served."""
        aside: Any = {
            "source": True,
            "ledger": True,
            "dashboard": True,
            "signer": {"user"},
            "pools": {"url", "folder"},
            "families": True,
            "strategies": {"__all__": {"source"}},
        }
        families = (file.read_bytes() for file in self.families)
        return hashlib.sha256(b"\0".join((self.model_dump_json(exclude=aside).encode(), *families))).hexdigest()
