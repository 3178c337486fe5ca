// The price graph, live: what changed glows, the last settled cycle shines, and pointing at something names it.

import { $, arrange, element, setText } from "./dom.js";
import { count, fee, shortAmount, shortHash } from "./format.js";
import { Layout } from "./graph_layout.js";
import { KINDS, along, glowing, kindColour, kindName, paint } from "./graph_paint.js";

const FRAME_MS = 50;
const LAP_MS = 3_200;
const REACH_PX = 7;
const SAMPLES = [0.2, 0.35, 0.5, 0.65, 0.8];

const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Graph {
  constructor(store) {
    this.store = store;
    this.layout = new Layout();
    this.cycle = [];
    this.route = [];
    this.inCycle = new Set();
    this.focus = null;
    this.size = { width: 0, height: 0 };
    this.host = $("graph");
    this.canvas = element("canvas", { tabindex: 0, role: "img", "aria-describedby": "graph-tip" });
    this.tip = element("div", { id: "graph-tip", class: "tip", role: "status", hidden: true });
    this.empty = element("p", { class: "empty" }, "The market is being loaded.");
    this.host.append(this.canvas, this.tip, this.empty);
    this.context = this.canvas.getContext("2d");
    new ResizeObserver(() => this.#resize()).observe(this.host);
    this.canvas.addEventListener("pointermove", (event) => this.#look(this.#at(event.offsetX, event.offsetY)));
    this.canvas.addEventListener("pointerleave", () => this.#look(null));
    this.canvas.addEventListener("keydown", (event) => this.#walk(event));
    this.canvas.addEventListener("blur", () => this.#look(null));
    document.addEventListener("visibilitychange", () => this.#draw());
  }

  update() {
    const { nodes, edges } = this.store.tables;
    const { picture, header } = this.store.values;
    this.#light([...edges.values()], header?.head_number ?? null);
    this.layout.set([...nodes.values()], [...edges.values()], Math.sqrt(Math.max(1, this.size.width) / Math.max(1, this.size.height)));
    this.#describe(picture);
    this.#fit();
    this.empty.hidden = nodes.size > 0;
    this.#follow(picture?.cycle ?? []);
    this.#keepFocus();
    this.#draw();
  }

  restyle() {
    this.#draw();
  }

  // Remembers when each edge last changed before the eyes of whoever looks.
  #light(rows, head) {
    const now = performance.now();
    const first = this.seen === undefined;
    const seen = new Map();
    for (const row of rows) {
      const before = this.seen?.get(row.id);
      const news = first ? row.changed_block !== null && row.changed_block === head : before && before.block !== row.changed_block;
      row.litAt = news ? now : before?.litAt;
      seen.set(row.id, { block: row.changed_block, litAt: row.litAt });
    }
    if (rows.length) this.seen = seen;
  }

  // The cycle's links in the order they were traded, and which way each was gone.
  #follow(venues) {
    const byId = new Map(this.layout.links.map((link) => [link.row.id, link]));
    const links = venues.map((id) => byId.get(id)).filter(Boolean);
    const whole = links.length === venues.length;
    this.cycle = whole ? links : [];
    this.inCycle = new Set(this.cycle.flatMap((link) => [link.source, link.target]));
    const next = this.cycle.map((_, index) => this.cycle[(index + 1) % this.cycle.length]);
    let at = null;
    this.route = this.cycle.map((link, index) => {
      const shared = at ?? ([next[index].source, next[index].target].includes(link.target) ? link.source : link.target);
      const forwards = shared === link.source;
      at = forwards ? link.target : link.source;
      return forwards;
    });
  }

  #describe(picture) {
    const { nodes, edges } = this.store.tables;
    if (!picture || !nodes.size) return;
    const whole = nodes.size === picture.total_nodes ? "" : ` of ${count(picture.total_nodes)}`;
    const venues = edges.size === picture.total_venues ? "" : ` of ${count(picture.total_venues)}`;
    const scope = `${count(nodes.size)}${whole} assets, ${count(edges.size)}${venues} venues`;
    setText($("graph-scope"), scope);
    const hubs = [...nodes.values()].sort((a, b) => b.degree - a.degree).slice(0, 5);
    this.canvas.setAttribute("aria-label", `Price graph: ${scope}. Best connected: ${hubs.map((hub) => `${hub.symbol} with ${hub.degree} neighbours`).join(", ")}. Arrow keys walk through the assets.`);
    const present = new Set([...edges.values()].map((row) => row.kind));
    const key = KINDS.filter(([kind]) => present.delete(kind)).map(([, name, text]) => [name, text]);
    const others = present.size ? [[kindColour(""), [...present].map(kindName).join(", ")]] : [];
    const wanted = [...key, ...others, ["cycle", "Last settled"]];
    if ([...$("graph-key").children].map((line) => line.textContent).join() === wanted.map(([, text]) => text).join()) return;
    arrange($("graph-key"), wanted.map(([name, text]) => {
      const swatch = element("i");
      swatch.dataset.colour = name;
      return element("li", {}, swatch, text);
    }));
  }

  #resize() {
    this.size = { width: this.host.clientWidth, height: this.host.clientHeight };
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = this.size.width * ratio;
    this.canvas.height = this.size.height * ratio;
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#fit();
    this.#draw();
  }

  #fit() {
    this.layout.fit(this.size.width, this.size.height, $("graph-key").offsetHeight);
  }

  // Draws now, and goes on while something moves and somebody can see it.
  #draw() {
    clearTimeout(this.timer);
    if (document.hidden || !this.size.width) return;
    const now = performance.now();
    const moving = !calm.matches && this.cycle.length > 0;
    const progress = moving ? (now % LAP_MS) / LAP_MS : null;
    const { layout, size, cycle, route, inCycle, focus } = this;
    paint(this.context, { layout, size, cycle, route, inCycle, focus, now, progress });
    if (moving || layout.links.some((link) => glowing(link, now) > 0)) this.timer = setTimeout(() => requestAnimationFrame(() => this.#draw()), FRAME_MS);
  }

  #at(x, y) {
    const node = this.layout.nodes.find((one) => Math.hypot(one.px - x, one.py - y) <= one.radius + 3);
    if (node) return { node };
    let [best, link] = [REACH_PX, null];
    for (const one of this.layout.links) {
      for (const t of SAMPLES) {
        const [px, py] = along(one, t);
        const away = Math.hypot(px - x, py - y);
        if (away < best) [best, link] = [away, one];
      }
    }
    return link ? { link } : null;
  }

  #walk(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step || !this.layout.nodes.length) return;
    event.preventDefault();
    const byDegree = [...this.layout.nodes].sort((a, b) => b.degree - a.degree);
    const here = this.focus?.node ? byDegree.indexOf(this.focus.node) : step > 0 ? -1 : 0;
    this.#look({ node: byDegree.at((here + step) % byDegree.length) });
  }

  // Points at a node or a link, or at nothing.
  #look(at) {
    if (!at && !this.focus) return;
    if (at && this.focus && at.node === this.focus.node && at.link === this.focus.link) return;
    this.focus = at && { ...at, near: this.#near(at) };
    this.tip.hidden = !at;
    if (at) this.#name(at);
    this.#draw();
  }

  // What is pointed at stays pointed at while the market moves on, if it is still there.
  #keepFocus() {
    if (!this.focus) return;
    const { node, link } = this.focus;
    const still = node ? this.layout.nodes.includes(node) && { node } : this.layout.links.filter(({ row }) => row.id === link.row.id).map((one) => ({ link: one }))[0];
    this.focus = null;
    this.tip.hidden = true;
    if (still) this.#look(still);
  }

  #near({ node, link }) {
    if (link) return new Set([link.source, link.target]);
    return new Set(this.layout.links.flatMap(({ source, target }) => (source === node ? [target] : target === node ? [source] : [])));
  }

  #name({ node, link }) {
    const lines = node ? this.#aboutNode(node) : this.#aboutLink(link);
    this.tip.replaceChildren(element("b", {}, lines[0]), ...lines.slice(1).filter(Boolean).map((line) => element("span", {}, line)));
    const [x, y] = node ? [node.px, node.py] : along(link, 0.5);
    const [w, h] = [this.tip.offsetWidth, this.tip.offsetHeight];
    this.tip.style.left = `${Math.min(Math.max(4, x + 14), this.size.width - w - 4)}px`;
    this.tip.style.top = `${Math.min(Math.max(4, y - h - 10), this.size.height - h - 4)}px`;
    this.tip.dataset.kind = link ? kindColour(link.row.kind) : "";
  }

  #aboutNode(node) {
    const venues = this.layout.links.filter(({ source, target }) => source === node || target === node).length;
    return [node.symbol, `${count(node.degree)} neighbours in the market`, `${count(venues)} venues in this picture`];
  }

  #aboutLink({ row, source, target }) {
    return [
      `${source.symbol} / ${target.symbol}`,
      `${kindName(row.kind)} · fee ${fee(row.fee_ppm)}`,
      row.liquidity_wei === null ? "depth unknown" : `${shortAmount(row.liquidity_wei, 18, 3)} ETH moves it 2 %`,
      row.changed_block === null ? "unchanged in this run" : `changed in block ${count(row.changed_block)}`,
      shortHash(row.id, 14, 6),
    ];
  }
}
