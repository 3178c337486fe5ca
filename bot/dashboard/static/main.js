// Wires the page: messages into the store, the store into the panels.

import { Budgets } from "./budgets.js";
import { Chart } from "./chart.js";
import { Decisions } from "./decisions.js";
import { Drawer } from "./drawer.js";
import { Events } from "./events.js";
import { Graph } from "./graph.js";
import { Header } from "./header.js";
import { Live } from "./live.js";
import { Stop } from "./stop.js";
import { Store } from "./store.js";
import { onThemeChange } from "./theme.js";
import { Venues } from "./venues.js";

const store = new Store();
const live = new Live(store);
const drawer = new Drawer(store);
const header = new Header(store);
const chart = new Chart(store);
const graph = new Graph(store);
new Stop(store);

const panels = [
  [header, ["header", "counters", "series"]],
  [chart, ["header", "series"]],
  [graph, ["picture", "nodes", "edges"]],
  [drawer, ["decisions"]],
  [new Decisions(store, (id, from) => drawer.open(id, from)), ["decisions"]],
  [new Budgets(store), ["budgets", "totals"]],
  [new Events(store), ["events"]],
  [new Venues(store), ["venues", "totals"]],
];

store.addEventListener("moved", ({ detail: { changed, first } }) => {
  for (const [panel, needs] of panels) if (first || needs.some((name) => changed.has(name))) panel.update(first);
});
store.addEventListener("trouble", ({ detail }) => header.notice("trouble", detail));
live.addEventListener("link", ({ detail }) => header.link(detail));
onThemeChange(() => {
  chart.restyle();
  graph.restyle();
});
live.open();
