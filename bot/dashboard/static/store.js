// What the page knows: values, tables of rows by id, and series. Moved on by the server's messages.

const KEPT_DECISIONS = 2_000;
const KEPT_POINTS = 4_000;

// The newest third as it is; of what is older as few as leave no wider gaps than a quarter of all would.
function thinned(points) {
  const old = points.slice(0, -Math.floor(KEPT_POINTS / 3));
  const widestMs = Math.abs(old.at(-1)[0] - old[0][0]) / (KEPT_POINTS / 4) + 1;
  const kept = [old[0]];
  for (let at = 1; at < old.length; at += 1) if (points[at + 1][0] - kept.at(-1)[0] > widestMs) kept.push(old[at]);
  return [...kept, ...points.slice(old.length)];
}

export class Store extends EventTarget {
  values = {};
  tables = { decisions: new Map(), budgets: new Map(), venues: new Map(), events: new Map(), nodes: new Map(), edges: new Map() };
  series = Object.create(null);
  number = null;
  receivedAt = 0;
  #kept = KEPT_DECISIONS;

  // Takes in one message. False: something was missed in between, and the whole must be asked for again.
  take(message) {
    if (message.type === "trouble") {
      this.#emit("trouble", message.text);
      return true;
    }
    if (message.type === "changes" && message.number !== this.number + 1) return false;
    const first = message.type === "state";
    this.number = message.number;
    this.receivedAt = performance.now();
    this.#emit("trouble", null);
    this.values = first ? message.values : { ...this.values, ...message.values };
    const { older, ...tables } = message.tables;
    for (const [name, change] of Object.entries(tables)) this.#takeTable(name, change, first);
    this.#takeSeries(message.series, first);
    const changed = new Set([...Object.keys(message.values), ...Object.keys(tables)]);
    if (!first && older && this.#takeOlder(older.rows)) changed.add("decisions");
    if (first || Object.keys(message.series).length) changed.add("series");
    this.#emit("moved", { changed, first });
    return true;
  }

  // Older decisions, asked for by the page: they are kept beside those that it would keep without.
  addDecisions(rows) {
    const before = this.tables.decisions.size;
    for (const row of rows) if (!this.tables.decisions.has(row.id)) this.tables.decisions.set(row.id, row);
    this.#kept += this.tables.decisions.size - before;
    this.#emit("moved", { changed: new Set(["decisions"]), first: false });
  }

  #takeTable(name, change, first) {
    const table = this.tables[name];
    const rows = first ? change : change.rows;
    if (first) table.clear();
    for (const row of rows) table.set(row.id, row);
    if (name === "decisions") {
      if (first) this.#kept = KEPT_DECISIONS;
      this.#forgetOldest(table);
    } else if (!first) {
      for (const id of change.gone) table.delete(id);
    }
  }

  // What becomes of decisions that are no longer among the newest, where the page knows them.
  #takeOlder(rows) {
    const known = rows.filter((row) => this.tables.decisions.has(row.id));
    for (const row of known) this.tables.decisions.set(row.id, row);
    return known.length > 0;
  }

  #forgetOldest(table) {
    if (table.size <= this.#kept) return;
    const oldest = [...table.keys()].sort((a, b) => a - b).slice(0, table.size - this.#kept);
    for (const id of oldest) table.delete(id);
  }

  #takeSeries(series, first) {
    if (first) this.series = Object.create(null);
    for (const [name, points] of Object.entries(series)) {
      const all = [...(this.series[name] ?? []), ...points];
      this.series[name] = all.length > KEPT_POINTS ? thinned(all) : all;
    }
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
