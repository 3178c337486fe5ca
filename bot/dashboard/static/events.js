// What happened that asks for a look or for a person's hand, newest first.

import { $, arrange, element } from "./dom.js";
import { count, moment, sentence, when, words } from "./format.js";

export class Events {
  constructor(store) {
    this.store = store;
    this.rows = new Map();
  }

  update() {
    const events = [...this.store.tables.events.values()].sort((a, b) => b.id - a.id);
    this.rows = new Map(events.map((event) => [event, this.rows.get(event) ?? this.#row(event)]));
    arrange($("events"), [...this.rows.values()]);
    $("no-events").hidden = events.length > 0;
  }

  #row(event) {
    const dot = element("i", { class: "dot", role: "img", "aria-label": event.level });
    dot.dataset.state = event.level === "error" ? "down" : "stale";
    const said = element("div", {}, element("span", { class: "name" }, words(event.name)), element("small", {}, sentence(event.detail)));
    const at = element("time", { class: "number when", title: `${moment(event.at_ms)}, block ${count(event.block)}` }, when(event.at_ms));
    return element("li", { title: event.detail }, dot, said, at);
  }
}
