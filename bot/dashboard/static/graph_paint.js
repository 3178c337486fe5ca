// Draws the price graph on a canvas. Knows shapes and colours, not where they come from.

import { colour } from "./theme.js";

export const KINDS = [
  ["uniswap_v3", "kind-1", "Uniswap V3"],
  ["uniswap_v2", "kind-2", "Uniswap V2"],
  ["sushi_v2", "kind-3", "Sushi V2"],
  ["book", "kind-4", "Order book"],
];
const OTHER = "kind-5";
const COLOURS = new Map(KINDS.map(([kind, name]) => [kind, name]));
const BEND_PX = 9;
const GLOW_MS = 3_500;
const LABEL_PX = 6.4;

export const kindColour = (kind) => COLOURS.get(kind) ?? OTHER;
export const kindName = (kind) => KINDS.find(([name]) => name === kind)?.[2] ?? kind.replaceAll("_", " ");
export const glowing = (link, now) => Math.max(0, 1 - (now - (link.row.litAt ?? -Infinity)) / GLOW_MS);

// The middle control point of a link's curve.
export function middle({ source, target, bend }) {
  const [dx, dy] = [target.px - source.px, target.py - source.py];
  const length = Math.hypot(dx, dy) || 1;
  const off = bend * BEND_PX * 2;
  return [(source.px + target.px) / 2 - (dy / length) * off, (source.py + target.py) / 2 + (dx / length) * off];
}

// A point on a link's curve, `t` from 0 to 1.
export function along(link, t) {
  const [mx, my] = middle(link);
  const [a, b, c] = [(1 - t) ** 2, 2 * t * (1 - t), t ** 2];
  return [a * link.source.px + b * mx + c * link.target.px, a * link.source.py + b * my + c * link.target.py];
}

function trace(context, link) {
  const [mx, my] = middle(link);
  context.beginPath();
  context.moveTo(link.source.px, link.source.py);
  context.quadraticCurveTo(mx, my, link.target.px, link.target.py);
}

// Deeper venues are drawn wider, dearer ones fainter.
function width({ row }) {
  if (row.liquidity_wei === null) return 0.7;
  return 0.6 + 0.55 * Math.log10(1 + (Number(row.liquidity_wei) / 1e18) * 10);
}

const strength = ({ row }) => (row.fee_ppm <= 500 ? 0.85 : row.fee_ppm <= 3_000 ? 0.55 : 0.32);

function stroke(context, link, style, lineWidth, alpha) {
  context.strokeStyle = style;
  context.lineWidth = lineWidth;
  context.globalAlpha = alpha;
  trace(context, link);
  context.stroke();
}

export function paint(context, scene) {
  const { layout, size, cycle, focus, now } = scene;
  context.clearRect(0, 0, size.width, size.height);
  context.lineCap = "round";
  const dimmed = focus ? 0.22 : 1;
  for (const link of layout.links) {
    const near = focus && (link === focus.link || link.source === focus.node || link.target === focus.node);
    stroke(context, link, colour(kindColour(link.row.kind)), width(link) * (near ? 1.5 : 1), near ? 1 : strength(link) * 0.62 * dimmed);
  }
  for (const link of layout.links) {
    const glow = glowing(link, now);
    if (glow > 0) glowStroke(context, link, glow);
  }
  for (const link of cycle) cycleStroke(context, link);
  for (const [index, link] of cycle.entries()) traveller(context, link, scene, index, cycle.length);
  nodes(context, scene, dimmed);
  labels(context, scene);
  context.globalAlpha = 1;
}

function glowStroke(context, link, glow) {
  const style = colour(kindColour(link.row.kind));
  stroke(context, link, style, width(link) + 7, 0.12 * glow);
  stroke(context, link, style, width(link) + 2, 0.9 * glow);
  stroke(context, link, colour("glow"), 0.8, 0.55 * glow);
}

function cycleStroke(context, link) {
  stroke(context, link, colour("cycle"), 9, 0.16);
  stroke(context, link, colour("cycle"), 4.5, 0.3);
  stroke(context, link, colour("cycle"), 2.2, 1);
}

// A light that goes round the last settled cycle, hop after hop.
function traveller(context, link, { progress, route }, index, hops) {
  if (progress === null) return;
  const here = progress * hops - index;
  if (here < 0 || here >= 1) return;
  const [x, y] = along(link, route[index] ? here : 1 - here);
  context.globalAlpha = 1;
  context.fillStyle = colour("glow");
  context.beginPath();
  context.arc(x, y, 3, 0, 2 * Math.PI);
  context.fill();
}

function nodes(context, { layout, focus, inCycle }, dimmed) {
  for (const node of layout.nodes) {
    const lit = inCycle.has(node) || focus?.node === node || focus?.near.has(node);
    context.globalAlpha = lit ? 1 : Math.max(0.45, dimmed);
    context.beginPath();
    context.arc(node.px, node.py, node.radius, 0, 2 * Math.PI);
    context.fillStyle = colour(node.radius > LABEL_PX ? "hub" : "node");
    context.fill();
    context.lineWidth = inCycle.has(node) ? 3 : 1.5;
    context.strokeStyle = colour(inCycle.has(node) ? "cycle" : "panel");
    context.stroke();
  }
}

// Large nodes are named, and whatever is looked at; a name that would cover another is left out.
function labels(context, { layout, focus, inCycle, size }) {
  const taken = [];
  const wanted = layout.nodes.filter((node) => node.radius > LABEL_PX || inCycle.has(node) || node === focus?.node);
  const first = (node) => (node === focus?.node ? 3e3 : inCycle.has(node) ? 2e3 : node.radius);
  wanted.sort((a, b) => first(b) - first(a));
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  for (const node of wanted) {
    const large = node.radius > 11;
    context.font = `${large ? 600 : 500} ${large ? 12 : 10.5}px ${colour("font")}`;
    const text = node.symbol.length > 12 ? `${node.symbol.slice(0, 11)}…` : node.symbol;
    const half = context.measureText(text).width / 2;
    const x = Math.min(Math.max(node.px, half + 4), size.width - half - 4);
    const y = node.py + node.radius + 8 > size.height - 8 ? node.py - node.radius - 8 : node.py + node.radius + 8;
    const box = [x - half - 2, y - 7, x + half + 2, y + 7];
    if (taken.some(([l, t, r, b]) => box[0] < r && box[2] > l && box[1] < b && box[3] > t)) continue;
    taken.push(box);
    context.globalAlpha = focus && node !== focus.node && !focus.near.has(node) ? 0.4 : 1;
    context.lineWidth = 3.5;
    context.strokeStyle = colour("panel");
    context.strokeText(text, x, y);
    context.fillStyle = colour(large || node === focus?.node || inCycle.has(node) ? "text" : "muted");
    context.fillText(text, x, y);
  }
}
