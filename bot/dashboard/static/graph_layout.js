// Where the graph's nodes lie: a force layout, computed at once and the same every time, then fitted into the panel.

/* global d3 */

const STEPS = 320;
const STEPS_AFTER_CHANGE = 80;
const PADDING = { side: 34, top: 20, bottom: 34 };
const MOST_STRETCH = 1.9;

// A hub's radius grows with the logarithm of its neighbours in the whole market.
export const radius = (node) => 2.4 + 2.5 * Math.log2(1 + node.degree) ** 1.02 * (node.degree > 1 ? 0.62 : 0.3);

export class Layout {
  nodes = [];
  links = [];

  // Takes in rows; nodes that stay keep their place.
  set(nodeRows, edgeRows, shape) {
    const before = new Map(this.nodes.map((node) => [node.id, node]));
    this.nodes = nodeRows.map((row) => Object.assign(before.get(row.id) ?? {}, row));
    for (const node of this.nodes) node.radius = radius(node);
    const known = new Map(this.nodes.map((node) => [node.id, node]));
    this.links = edgeRows.filter((row) => known.has(row.source) && known.has(row.target)).map((row) => ({ row, source: known.get(row.source), target: known.get(row.target) }));
    this.#bend();
    const moved = this.nodes.some((node) => node.x === undefined);
    if (moved) this.#settle(before.size ? STEPS_AFTER_CHANGE : STEPS, shape);
  }

  // Scales and centres the layout into `width` × `height`, above a key `below` high; sets `px`, `py` on every node.
  fit(width, height, below) {
    if (!this.nodes.length) return;
    const bottom = PADDING.bottom + below;
    const xs = this.nodes.map((node) => node.x);
    const ys = this.nodes.map((node) => node.y);
    const [left, right, high, low] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const across = (width - 2 * PADDING.side) / Math.max(1, right - left);
    const down = (height - PADDING.top - bottom) / Math.max(1, low - high);
    // Filling the panel beats keeping proportions, up to a limit.
    const sx = Math.min(across, down * MOST_STRETCH);
    const sy = Math.min(down, across * MOST_STRETCH);
    for (const node of this.nodes) {
      node.px = width / 2 + (node.x - (left + right) / 2) * sx;
      node.py = (height + PADDING.top - bottom) / 2 + (node.y - (high + low) / 2) * sy;
    }
  }

  // Venues between the same two nodes are bent apart.
  #bend() {
    const between = new Map();
    for (const link of this.links) {
      const key = [link.source.id, link.target.id].sort((a, b) => a - b).join();
      if (!between.has(key)) between.set(key, []);
      between.get(key).push(link);
    }
    for (const parallel of between.values()) {
      parallel.forEach((link, index) => {
        const turned = link.source.id < link.target.id ? 1 : -1;
        link.bend = (index - (parallel.length - 1) / 2) * turned;
      });
    }
  }

  #settle(steps, shape) {
    const pairs = new Map(this.links.map((link) => [[link.source.id, link.target.id].sort((a, b) => a - b).join(), link]));
    const springs = [...pairs.values()].map(({ source, target }) => ({ source, target }));
    const simulation = d3
      .forceSimulation(this.nodes)
      .force("spring", d3.forceLink(springs).distance(({ source, target }) => 30 + 2 * (source.radius + target.radius) + 5 * Math.min(source.radius, target.radius)))
      .force("charge", d3.forceManyBody().strength((node) => -40 - 26 * node.radius).distanceMax(500))
      .force("collide", d3.forceCollide((node) => node.radius + 4))
      .force("x", d3.forceX().strength(0.11 / shape))
      .force("y", d3.forceY().strength(0.11 * shape))
      .stop();
    simulation.tick(steps);
  }
}
