// One decision from plan to fill: what was wanted, what the simulator said, what was signed, what happened.

import { $, element } from "./dom.js";
import { count, eth, fee, gwei, moment, route, shortAmount, shortHash, sign, signedEth, words } from "./format.js";

const facts = (...pairs) =>
  element("dl", { class: "pairs" }, ...pairs.filter(([, value]) => value !== null && value !== undefined).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));

const hash = (text) => (text ? element("code", { title: text }, shortHash(text, 12, 6)) : null);

function leg({ symbol_in, decimals_in, amount_in_units, symbol_out, decimals_out, amount_out_units }) {
  return element(
    "span",
    { class: "leg" },
    element("b", {}, `${shortAmount(amount_in_units, decimals_in)} ${symbol_in}`),
    element("i", { "aria-label": "for" }, "\u203a"),
    element("b", {}, `${shortAmount(amount_out_units, decimals_out)} ${symbol_out}`),
  );
}

function step(title, tone, ...content) {
  const made = element("li", { class: "step" }, element("h3", {}, title), ...content);
  made.dataset.tone = tone;
  return made;
}

function planned(detail) {
  const hops = detail.hops.map((hop) =>
    element("li", {}, leg(hop), element("small", { title: hop.venue }, [words(hop.venue_kind), hop.fee_ppm === null ? null : fee(hop.fee_ppm), shortHash(hop.venue, 10, 4)].filter(Boolean).join(" · "))));
  return step(
    "Plan",
    "done",
    element("ol", { class: "hops" }, ...hops),
    facts(
      ["Expected before gas", `${signedEth(detail.decision.expected_wei, 9)} ETH`],
      ["Least accepted after gas", `${eth(detail.min_profit_wei, 9)} ETH`],
      ["Gas estimate", count(detail.gas_estimate)],
      ["Decided on block", count(detail.decision.block)],
      ["Must land by block", count(detail.deadline_block)],
      ["Plan", hash(detail.plan_id)],
    ),
  );
}

function judged(verdict) {
  return step(
    `Verdict: ${words(verdict.outcome)}`,
    verdict.outcome === "ok" ? "done" : "failed",
    verdict.reason ? element("p", { class: "why" }, verdict.reason) : null,
    facts(
      ["On a fork of block", count(verdict.block)],
      ["Gas used", count(verdict.gas_used)],
      ["Gas price", gwei(verdict.gas_price_wei)],
      ["Transaction digest", hash(verdict.tx_digest)],
    ),
  );
}

function refused(refusal) {
  return step(`Refused: ${words(refusal.reason)}`, "refused", element("p", { class: "why" }, refusal.detail), facts(["At", moment(refusal.at_ms)]));
}

function intended(intent) {
  return step(
    `Intent ${intent.id}: ${words(intent.state)}`,
    "done",
    facts(
      ["Nonce", count(intent.nonce)],
      ["Signed transactions", count(intent.attempts)],
      ["Transaction", hash(intent.tx_hash)],
      ["Most it may pay", `${count(intent.gas_limit)} gas at ${gwei(intent.max_fee_wei)}, tip ${gwei(intent.tip_wei)}`],
      ["Mined in block", intent.mined_block === null ? null : count(intent.mined_block)],
      ["Gas used", intent.gas_used === null ? null : count(intent.gas_used)],
      ["Other side", intent.exposure === "none" ? null : words(intent.exposure)],
    ),
  );
}

function filled(fills) {
  const rows = fills.map((fill) =>
    element("li", { class: fill.undone_by ? "undone" : null }, leg(fill), element("small", { title: fill.trade_id }, `${shortHash(fill.venue, 18, 4)} · ${shortHash(fill.trade_id, 12, 6)}${fill.undone_by ? ` · undone by ${fill.undone_by}` : ""}`)));
  return step("Fills", "done", element("ol", { class: "hops" }, ...rows));
}

export class Drawer {
  constructor(store) {
    this.store = store;
    this.dialog = $("drawer");
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
  }

  // What is open is read again once more became of it.
  update() {
    if (!this.dialog.open || !this.known) return;
    const now = this.store.tables.decisions.get(this.known.id);
    // Another run may give the same number to another decision.
    if (now !== this.known && now?.at_ms === this.known.at_ms) this.#read(now.id);
  }

  async open(id, from) {
    this.#show(element("p", { class: "empty" }, "Reading the ledger …"), `Decision ${id}`);
    this.dialog.showModal();
    // The row may have been drawn anew since.
    const back = () => (from?.isConnected ? from : document.querySelector(`#rows tr[data-id="${id}"] button`))?.focus();
    this.dialog.addEventListener("close", back, { once: true });
    const why = await this.#read(id);
    if (why) this.#show(element("p", { class: "empty" }, `Decision ${id} cannot be shown: ${why}.`), `Decision ${id}`);
  }

  // Shows what the ledger has of it; why not, where it cannot.
  async #read(id) {
    const reading = { id };
    this.reading = reading;
    this.known = this.store.tables.decisions.get(id);
    const answer = await fetch(`/api/decision/${id}`).catch(() => null);
    const told = await answer?.json().catch(() => null);
    if (this.reading !== reading) return null;
    if (!answer?.ok || !told) return told?.error ?? "the dashboard does not answer";
    this.#fill(told);
    return null;
  }

  #fill(detail) {
    const { decision } = detail;
    const chip = element("span", { class: "chip" }, decision.state);
    chip.dataset.state = decision.state;
    const result = element("output", {}, decision.realised_wei === null ? "–" : `${signedEth(decision.realised_wei, 9)} ETH`);
    result.dataset.sign = decision.realised_wei === null ? "flat" : sign(decision.realised_wei);
    const steps = [
      planned(detail),
      ...detail.verdicts.map(judged),
      ...detail.refusals.map(refused),
      ...(detail.intent ? [intended(detail.intent)] : []),
      ...(detail.fills.length ? [filled(detail.fills)] : []),
    ];
    const outcome = [
      facts(["Realised after gas and fees", result], ["Gas paid", decision.gas_wei === null ? null : `${eth(decision.gas_wei, 9)} ETH`]),
    ];
    this.#show(
      element(
        "div",
        {},
        element("p", { class: "lead" }, chip, element("span", {}, words(decision.strategy)), element("span", { class: "faint" }, moment(decision.at_ms))),
        element("p", { class: "drawn-route" }, route(decision.route)),
        ...outcome,
        element("ol", { class: "steps" }, ...steps),
      ),
      `Decision ${decision.id}`,
    );
  }

  #show(content, title) {
    const close = element("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
    close.addEventListener("click", () => this.dialog.close());
    const focused = this.dialog.contains(document.activeElement);
    this.dialog.replaceChildren(element("header", {}, element("h2", { id: "drawer-title" }, title), close), element("div", { class: "drawer-body" }, content));
    if (focused) close.focus();
  }
}
