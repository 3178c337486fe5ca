// The table of decisions, newest first, each with its reason; filtered by strategy and state.

import { $, arrange, element, setText } from "./dom.js";
import { columnEth, count, moment, route, sentence, sign, when, words } from "./format.js";
import { strategyColour } from "./theme.js";

const SHOWN_AT_FIRST = 150;
const OLDER = 100;
const ALL = "";

export class Decisions {
  constructor(store, open) {
    this.store = store;
    this.open = open;
    this.made = new Map();
    this.shown = SHOWN_AT_FIRST;
    this.exhausted = false;
    for (const id of ["by-strategy", "by-state"]) $(id).addEventListener("change", () => this.update());
    $("older").addEventListener("click", () => this.#older());
    $("rows").addEventListener("click", (event) => this.#opened(event.target));
  }

  update(first = false) {
    if (first) this.exhausted = false;
    const all = [...this.store.tables.decisions.values()].sort((a, b) => b.id - a.id);
    this.#choices("by-strategy", "All", all.map((row) => row.strategy));
    this.#choices("by-state", "All", all.map((row) => row.state));
    const [strategy, state] = [$("by-strategy").value, $("by-state").value];
    const wanted = all.filter((row) => [ALL, row.strategy].includes(strategy) && [ALL, row.state].includes(state));
    arrange($("rows"), wanted.slice(0, this.shown).map((row) => this.#row(row)));
    for (const id of this.made.keys()) if (!this.store.tables.decisions.has(id)) this.made.delete(id);
    setText($("decisions-count"), wanted.length === all.length ? "newest first, profits in ETH" : `${count(wanted.length)} of the last ${count(all.length)}`);
    $("no-rows").hidden = wanted.length > 0;
    setText($("no-rows"), all.length ? "No decision matches the filter." : "No decisions yet. They appear here as soon as the market offers something.");
    $("older").hidden = !all.length || (this.exhausted && wanted.length <= this.shown);
  }

  #row(decision) {
    const known = this.made.get(decision.id);
    if (known?.decision === decision) return known.row;
    const reason = [decision.reason && words(decision.reason), decision.detail].filter(Boolean).join(": ");
    const strategies = this.store.values.header?.strategies ?? [];
    const swatch = element("i", { class: "swatch" });
    swatch.dataset.series = strategyColour(strategies, decision.strategy);
    const chip = element("span", { class: "chip" }, decision.state);
    chip.dataset.state = decision.state;
    const row = element(
      "tr",
      {},
      element("td", {}, element("button", { type: "button", class: "open", title: moment(decision.at_ms), "aria-label": `Open decision ${decision.id}` }, when(decision.at_ms))),
      element("td", { class: "number" }, count(decision.block)),
      element("td", { class: "strategy" }, swatch, words(decision.strategy)),
      element("td", {}, chip),
      element("td", { class: "route" }, element("span", { title: decision.route }, route(decision.route)), reason ? element("small", { title: reason }, sentence(reason)) : null),
      element("td", { class: "number" }, columnEth(decision.expected_wei)),
      this.#realised(decision.realised_wei),
    );
    row.dataset.id = decision.id;
    if (known) {
      const focused = known.row.contains(document.activeElement);
      known.row.replaceWith(row);
      if (focused) row.querySelector("button").focus();
    }
    this.made.set(decision.id, { decision, row });
    return row;
  }

  #realised(wei) {
    if (wei === null) return element("td", { class: "number faint" }, "–");
    const cell = element("td", { class: "number" }, columnEth(wei));
    cell.dataset.sign = sign(wei);
    return cell;
  }

  #choices(id, all, names) {
    const select = $(id);
    const wanted = [...new Set([...names, ...(select.value ? [select.value] : [])])].sort();
    if ([...select.options].slice(1).map((option) => option.value).join() === wanted.join() && select.options.length) return;
    const chosen = select.value;
    select.replaceChildren(element("option", { value: ALL }, all), ...wanted.map((name) => element("option", { value: name }, words(name))));
    select.value = chosen;
  }

  #opened(target) {
    const row = target.closest("tr");
    if (row) this.open(Number(row.dataset.id), row.querySelector("button"));
  }

  async #older() {
    this.shown += OLDER;
    const oldest = Math.min(...this.store.tables.decisions.keys());
    const answer = await fetch(`/api/decisions?limit=${OLDER}&before=${oldest}`).catch(() => null);
    if (!answer?.ok) return;
    const { decisions } = await answer.json();
    this.exhausted = decisions.length < OLDER;
    this.store.addDecisions(decisions);
  }
}
