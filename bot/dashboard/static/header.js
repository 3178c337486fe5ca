// The header and the counters under it: where the run stands, at a glance.

import { $, arrange, element, setText } from "./dom.js";
import { age, clock, count, day, duration, milliseconds, reducing, sign, signedEth, words } from "./format.js";
import { strategyColour } from "./theme.js";

const LINKS = { connecting: "Connecting", live: "Live", down: "Reconnecting", ended: "Ended" };
const SILENT = {
  down: (heard) => `No connection since ${heard}. What you see is from then; trying again.`,
  ended: (heard, now) => `The run ended at ${now}. What you see is how it stood; the next one that listens here is shown.`,
};
const LATE_S = 30;

const sum = (counts) => Object.values(counts).reduce((total, one) => total + one, 0);

export class Header {
  constructor(store) {
    this.store = store;
    this.notices = new Map();
    this.tiles = new Map();
    setInterval(() => this.tick(), 250);
  }

  update() {
    const { header, counters } = this.store.values;
    if (!header) return;
    setText($("mode"), header.mode);
    $("mode").dataset.mode = header.mode;
    setText($("network"), `${header.network} · ${header.chain_id}`);
    setText($("head"), header.head_number === null ? "waiting" : count(header.head_number));
    const total = this.#total();
    setText($("total"), `${signedEth(total)} ETH`);
    $("total").dataset.sign = sign(total);
    const since = this.#since(header);
    setText($("total-since"), `Net profit${since ? ` since ${since}` : ""}, after gas and fees`);
    document.title = `${signedEth(total, 4)} ETH · Isthmus`;
    const halted = new Map();
    const together = new Map();
    for (const [name, why] of Object.entries(header.halted)) together.set(why, [...(together.get(why) ?? []), words(name)]);
    for (const [why, names] of together) {
      const all = names.length > 1 && names.length === header.strategies.length;
      const some = names.join(", ");
      const says = reducing(why)
        ? `What is open${all ? "" : ` of ${some}`} is taken back, and nothing new is begun`
        : all ? "Nothing trades any more" : `${some} ${names.length > 1 ? "trade" : "trades"} no more`;
      halted.set(`halted ${why}`, `${says}: ${why}`);
    }
    for (const { address, halted: why } of header.operators) {
      if (why) halted.set(`halted ${address}`, `Nothing new is sent with the key ${address}: ${why}`);
    }
    for (const [key, text] of halted) this.notice(key, text);
    // Also what an earlier run said, of strategies and keys that this one does not have.
    for (const key of [...this.notices.keys()]) if (key.startsWith("halted ") && !halted.has(key)) this.notice(key, null);
    this.#figures(header, counters);
    this.tick();
  }

  // Ages go on between two messages.
  tick() {
    const { header } = this.store.values;
    if (!header || this.state === "ended") return;
    const since = (performance.now() - this.store.receivedAt) / 1_000;
    const known = header.head_age_s !== null;
    setText($("age"), known ? age(header.head_age_s + since) : "–");
    $("age").classList.toggle("late", known && header.head_age_s + since > LATE_S);
    // Nobody knows whether a bot that says nothing still runs.
    if (this.state !== "down") setText($("uptime"), duration((Date.now() - header.started_ms) / 1_000));
  }

  link(state) {
    setText($("link").querySelector("span"), LINKS[state]);
    this.state = state;
    const now = Date.now();
    this.notice("link", SILENT[state]?.(clock(now - (performance.now() - this.store.receivedAt)), clock(now)));
  }

  // Shows one line at the top under a key, or takes it away.
  notice(key, text) {
    if (!text) {
      this.notices.get(key)?.remove();
      this.notices.delete(key);
      return;
    }
    if (!this.notices.has(key)) {
      this.notices.set(key, element("p", { class: "notice" }));
      $("notices").append(this.notices.get(key));
    }
    setText(this.notices.get(key), text);
  }

  #total() {
    const last = Object.values(this.store.series).map((points) => BigInt(points.at(-1)?.[1] ?? "0"));
    return String(last.reduce((total, wei) => total + wei, 0n));
  }

  // Earlier runs count too, as they do in the budgets; then it is said from when on.
  #since(header) {
    const firstMs = Math.min(...Object.values(this.store.series).map((points) => points[0]?.[0] ?? Infinity));
    return firstMs < header.started_ms ? day(firstMs) : "";
  }

  #figures(header, counters) {
    const refused = Object.entries(counters.refused).sort((a, b) => b[1] - a[1]);
    const perStrategy = header.strategies.map((name) => [strategyColour(header.strategies, name), `${words(name)}: ${count(Object.hasOwn(counters.settled, name) ? counters.settled[name] : 0)}`]);
    const perHead = counters.heads ? counters.node_calls / counters.heads : 0;
    const latency = [counters.head_to_signed_ms_p50, counters.head_to_signed_ms_p99];
    const figures = [
      ["Settled", count(sum(counters.settled)), perStrategy],
      ["Sent", count(counters.sent), `${count(counters.plans)} plans decided${this.#keys(header.operators)}`],
      ["Reverted", count(counters.reverted), counters.reverted ? "on the chain" : "none on the chain"],
      ["Refused", count(sum(counters.refused)), refused.length ? `most: ${words(refused[0][0])}` : "nothing so far"],
      ["Head to signed", `${milliseconds(latency[0])} ms`, latency[1] === null ? "median" : `median · p99 ${milliseconds(latency[1])} ms`],
      ["Heads", count(counters.heads), `${perHead.toFixed(1)} node calls each`],
    ];
    arrange($("figures"), figures.map(([label, value, note]) => this.#tile(label, value, note)));
  }

  // What each of several keys has in flight.
  #keys(operators) {
    if (operators.length < 2) return "";
    return ` · in flight ${operators.map((key) => `${key.address.slice(0, 6)}… ${count(key.in_flight)}`).join(", ")}`;
  }

  #tile(label, value, note) {
    if (!this.tiles.has(label)) {
      const parts = [element("strong"), element("small")];
      this.tiles.set(label, [element("div", { class: "figure" }, element("span", { class: "label" }, label), ...parts), ...parts]);
    }
    const [tile, strong, small] = this.tiles.get(label);
    setText(strong, value);
    if (typeof note === "string") setText(small, note);
    else this.#split(small, note);
    tile.classList.toggle("alarm", label === "Reverted" && value !== "0");
    return tile;
  }

  // A count per strategy, told apart by colour; the name is there for whoever points at it.
  #split(small, parts) {
    const text = parts.map(([, part]) => part).join(", ");
    if (small.title === text) return;
    small.title = text;
    small.replaceChildren(...parts.flatMap(([series, part]) => {
      const swatch = element("i", { class: "swatch" });
      swatch.dataset.series = series;
      return [swatch, element("span", { role: "img", "aria-label": part }, part.split(": ")[1])];
    }));
  }
}
