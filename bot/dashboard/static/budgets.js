// What each strategy, and all of them together, have used of what they may risk.

import { $, arrange, element, setText } from "./dom.js";
import { ethNumber, leftOut, reducing, shortAmount, words } from "./format.js";
import { strategyColour } from "./theme.js";

const WARN = 0.7;
const ALARM = 0.9;

export class Budgets {
  constructor(store) {
    this.store = store;
    this.blocks = new Map();
    this.empty = element("p", { class: "empty" }, "No strategy has a budget yet.");
  }

  update() {
    const rows = [...this.store.tables.budgets.values()];
    const some = leftOut(rows.length, this.store.values.totals?.budgets);
    setText($("budgets-count"), [some, "used of limit, ETH"].filter(Boolean).join(", "));
    arrange($("budgets"), rows.length ? rows.map((row) => this.#block(row)) : [this.empty]);
  }

  #block(row) {
    if (!this.blocks.has(row.id)) this.blocks.set(row.id, this.#make(row));
    const { block, state, bars } = this.blocks.get(row.id);
    const why = row.halted_because;
    setText(state, why ? (reducing(why) ? "reducing" : "halted") : row.in_flight ? `${row.in_flight} in flight` : "");
    state.title = why ?? "";
    block.classList.toggle("halted", Boolean(row.halted_because));
    for (const limit of row.limits) this.#fill(bars.get(limit.name), limit);
    return block;
  }

  #make(row) {
    const state = element("span", { class: "unit" });
    const swatch = row.id === "" ? null : element("i", { class: "swatch" });
    if (swatch) swatch.dataset.series = strategyColour(this.store.values.header?.strategies ?? [], row.id);
    const name = words(row.id) || "all together";
    const title = element("h3", {}, swatch, element("span", {}, name), state);
    const bars = new Map(row.limits.map((limit) => [limit.name, this.#bar(limit)]));
    const block = element("section", { class: "budget", role: "group", "aria-label": name }, title, ...[...bars.values()].map((bar) => bar.line));
    return { block, state, bars };
  }

  #bar(limit) {
    const fill = element("i");
    const meter = element("div", { class: "meter", role: "meter", "aria-label": words(limit.name), "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
    const figure = element("span", { class: "number" });
    return { line: element("div", { class: "limit" }, element("span", {}, words(limit.name)), meter, figure), meter, fill, figure };
  }

  #fill(bar, { used_wei: used, limit_wei: limit }) {
    const share = limit === "0" ? (used === "0" ? 0 : 1) : Math.min(1, ethNumber(used) / ethNumber(limit));
    bar.fill.style.width = `${(share * 100).toFixed(1)}%`;
    bar.meter.dataset.level = share >= ALARM ? "alarm" : share >= WARN ? "warn" : "calm";
    bar.meter.setAttribute("aria-valuenow", Math.round(share * 100));
    const text = `${shortAmount(used, 18, 4)} / ${shortAmount(limit, 18, 4)}`;
    bar.meter.setAttribute("aria-valuetext", `${text} ETH`);
    setText(bar.figure, text);
  }
}
