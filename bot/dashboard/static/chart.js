// Profit over time: one stepped line per strategy, and their sum where there are several.

import "./language.js";
import uPlot from "./vendor/uPlot.esm.js";
import { $, element } from "./dom.js";
import { clock, ethNumber, tick, words } from "./format.js";
import { colour, strategyColour } from "./theme.js";

const TOTAL = "total";
const LEAST_PX = 120;
const PADDING_PX = 10;

const [LEAST_DIGITS, MOST_DIGITS] = [5, 12];

// A small one with two figures.
function shown(value) {
  const digits = value ? Math.min(MOST_DIGITS, Math.max(LEAST_DIGITS, 1 - Math.floor(Math.log10(Math.abs(value))))) : LEAST_DIGITS;
  return `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(digits)}`;
}

// The strategies' points on one time axis, each line carried forward from its last result, from 0 at the start.
function joined(series, names, startedMs, nowMs) {
  const times = new Set([startedMs, nowMs]);
  for (const name of names) for (const [at] of series[name] ?? []) times.add(at);
  const axis = [...times].sort((a, b) => a - b);
  const lines = names.map((name) => {
    const points = series[name] ?? [];
    let next = 0;
    let value = 0;
    return axis.map((at) => {
      while (next < points.length && points[next][0] <= at) value = ethNumber(points[next++][1]);
      return value;
    });
  });
  if (names.length > 1) lines.push(axis.map((_, index) => lines.reduce((sum, line) => sum + line[index], 0)));
  return [axis.map((at) => at / 1_000), ...lines];
}

export class Chart {
  constructor(store) {
    this.store = store;
    this.host = $("chart");
    this.empty = element("p", { class: "empty" }, "Nothing has settled yet. The first trade draws the first step.");
    new ResizeObserver(() => this.#resize()).observe(this.host);
  }

  update() {
    const { header } = this.store.values;
    if (!header) return;
    if (!Object.values(this.store.series).some((points) => points.length)) {
      this.#clear();
      this.host.replaceChildren(this.empty);
      return;
    }
    const names = header.strategies;
    const firstMs = Math.min(...Object.values(this.store.series).map((points) => points[0]?.[0] ?? Infinity));
    const data = joined(this.store.series, names, Math.min(header.started_ms, firstMs), Date.now());
    const key = names.join();
    if (!this.plot || this.key !== key) {
      this.#clear();
      this.key = key;
      this.plot = new uPlot(this.#options(names), data, this.host);
      this.#resize();
    } else {
      this.plot.setData(data);
    }
  }

  restyle() {
    this.#clear();
    this.update();
  }

  #clear() {
    this.plot?.destroy();
    this.plot = null;
    this.host.replaceChildren();
  }

  #resize() {
    if (!this.plot) return;
    const { clientWidth: width, clientHeight: height } = this.host;
    const legend = this.host.querySelector(".u-legend").offsetHeight;
    this.plot.setSize({ width: width - PADDING_PX, height: Math.max(LEAST_PX, height - legend - PADDING_PX) });
  }

  #options(names) {
    const line = (label, stroke, more) => ({
      label: words(label),
      stroke,
      width: 1.75,
      points: { show: false },
      paths: uPlot.paths.stepped({ align: 1 }),
      value: (plot, value, series) => shown(value ?? plot.data[series].at(-1)),
      ...more,
    });
    const lines = names.map((name) => line(name, colour(strategyColour(names, name))));
    if (names.length > 1) lines.push(line(TOTAL, colour("text"), { width: 1.25, dash: [4, 4], fill: colour("wash") }));
    const axis = {
      stroke: colour("muted"),
      font: `11px ${colour("font")}`,
      grid: { stroke: colour("line"), width: 1 },
      ticks: { show: false },
    };
    return {
      width: this.host.clientWidth,
      height: LEAST_PX,
      cursor: { y: false, points: { size: 7 } },
      scales: { y: { range: (_, low, high) => uPlot.rangeNum(Math.min(low, 0), high || 0.001, 0.08, true) } },
      series: [{ label: "time", value: (plot, at) => clock((at ?? plot.data[0].at(-1)) * 1_000) }, ...lines],
      axes: [
        { ...axis, size: 28, values: (_, ticks) => ticks.map((at) => tick(at * 1_000)) },
        { ...axis, size: 58, values: (_, ticks) => ticks.map((value) => String(Number(value.toPrecision(12)))) },
      ],
      legend: { live: true, markers: { width: 0, fill: (plot, index) => plot.series[index].stroke?.() ?? "transparent" } },
    };
  }
}
