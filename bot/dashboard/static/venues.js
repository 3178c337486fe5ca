// Where the bot can trade, and how fresh its knowledge of each place is.

import { $, arrange, element, setText } from "./dom.js";
import { age, count, leftOut } from "./format.js";

const ORDER = ["node", "exchange", "book", "pools", "pool"];
const SAYS = {
  fresh: "fresh",
  quiet: "quiet: nothing new, nothing missed",
  stale: "stale: nothing heard for too long",
  down: "down: no connection, or nothing to trade",
  refused: "refused: out of the market",
};
const WORRIES = ["down", "refused", "stale"];

function freshness(venue, sinceS) {
  if (venue.age_s !== null) return `${age(venue.age_s + sinceS)} ago`;
  if (venue.age_blocks === 0) return "this block";
  if (venue.age_blocks !== null) return venue.age_blocks === 1 ? "1 block ago" : `${count(venue.age_blocks)} blocks ago`;
  return "never";
}

export class Venues {
  constructor(store) {
    this.store = store;
    this.rows = new Map();
    setInterval(() => this.#ages(), 500);
  }

  update() {
    const place = (venue) => ORDER.indexOf(venue.kind) - (WORRIES.includes(venue.state) ? ORDER.length : 0);
    const venues = [...this.store.tables.venues.values()].sort((a, b) => place(a) - place(b) || a.name.localeCompare(b.name));
    for (const id of this.rows.keys()) if (!this.store.tables.venues.has(id)) this.rows.delete(id);
    arrange($("venues"), venues.map((venue) => this.#row(venue)));
    $("no-venues").hidden = venues.length > 0;
    const worries = venues.filter((venue) => WORRIES.includes(venue.state)).length;
    const says = worries ? `${worries} in trouble` : venues.length ? "all well" : "";
    setText($("venues-count"), [leftOut(venues.length, this.store.values.totals?.venues), says].filter(Boolean).join(", "));
    this.#ages();
  }

  #row(venue) {
    if (!this.rows.has(venue.id)) this.rows.set(venue.id, this.#make());
    const { row, dot, name, note } = this.rows.get(venue.id);
    dot.dataset.state = venue.state;
    dot.setAttribute("aria-label", venue.state);
    row.title = venue.detail ? `${SAYS[venue.state]}. ${venue.detail}` : SAYS[venue.state];
    setText(name, venue.name);
    const parts = [venue.members !== null && `${count(venue.members)} pools`, venue.changes > 0 && `${count(venue.changes)} changes`];
    const worry = WORRIES.includes(venue.state) ? venue.detail || venue.state : null;
    setText(note, worry ?? parts.filter(Boolean).join(" · "));
    return row;
  }

  #make() {
    const [dot, name, note, when] = [
      element("i", { class: "dot", role: "img" }),
      element("span", { class: "name" }),
      element("small"),
      element("span", { class: "number when" }),
    ];
    return { row: element("li", {}, dot, element("div", {}, name, note), when), dot, name, note, when };
  }

  #ages() {
    const sinceS = (performance.now() - this.store.receivedAt) / 1_000;
    for (const [id, venue] of this.store.tables.venues) {
      const parts = this.rows.get(id);
      if (parts) setText(parts.when, freshness(venue, sinceS));
    }
  }
}
