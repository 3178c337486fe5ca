"""The ledger: everything the bot saw, decided, risked and did, written ahead of each act.

Signatures (being built; every method is synchronous and is one committed transaction unless inside `batch`):

    Ledger.open(url, clock) -> Ledger                        migrates; LedgerError in one line
    ledger.close()
    ledger.start_run(mode, network, chain_id, seed, config_digest, instance) -> Run
    ledger.attach(run_id=None) -> Run                        the latest run, for CLI verbs that only read or reconcile
    ledger.finish_run(summary: Mapping)
    ledger.at_head(number, timestamp_s)                      "now" for budgets and rows; never goes back
    with ledger.batch(): ...                                 one transaction for many records of one block

    ledger.record_opportunity(strategy, route, expected_profit_wei, plan_id=None)
    ledger.record_plan(plan)
    ledger.record_verdict(plan_id, verdict)
    ledger.record_refusal(refusal, strategy, plan_id=None)
    ledger.record_event(level, name, detail="")
    ledger.record_timings(intent_id, {stage: ns since the head arrived})     "signed" feeds head_to_signed_ms

    ledger.set_first_nonce(sender, chain_nonce)              at start
    ledger.next_nonce(sender) -> int
    ledger.reserve(plan, sender, nonce, worst: WorstCase, fees: Fees) -> Intent     NonceMoved; not in a batch
    ledger.release(intent_id, refusal_or_reason)             RESERVED|SIGNED and highest nonce only
    ledger.record_signed(intent_id, raw, tx_hash) -> Attempt not in a batch
    ledger.mark_sending(intent_id)                           not in a batch: commits before a byte leaves
    ledger.mark_pending(intent_id)
    ledger.record_mined(intent_id, receipt, deltas: Mapping[Account, int], swaps: Sequence[SwapFill] = ()) -> Intent
                                                             deltas without gas; gas is booked from the receipt
    ledger.undo_block(block_hash) -> tuple[Intent, ...]      reorg: MINED -> PENDING, compensating postings
    ledger.mark_final(intent_id)
    ledger.close_exposure(intent_id, Exposure.HEDGED | Exposure.UNWOUND)     a two-sided intent is done
    ledger.place_order(intent_id, order, owner, purpose=Purpose.HEDGE) -> PlacedOrder    committed before send
    ledger.record_order(exchange, client_id, state, fills=(), exchange_order_id=None) -> PlacedOrder   idempotent
    ledger.open_intents() / open_orders() / attempts(intent_id) / intent(intent_id) / order(exchange, client_id)

    ledger.open_account(account: Account, units)             opening balance, once per instance
    ledger.set_marks(marks: Iterable[Mark])                  opening prices of this run
    ledger.post(kind, postings)                              anything else, e.g. a deposit
    ledger.balance(account) -> int ; ledger.accounts() -> dict[Account, int]
    ledger.record_balances({account: units}, block_number)   observed snapshots
"""
