// The style sheet's colours, for what is drawn on a canvas.

let known = new Map();

export function colour(name) {
  if (!known.has(name)) known.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return known.get(name);
}

export function onThemeChange(redraw) {
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => {
    known = new Map();
    redraw();
  });
}

const SERIES = ["series-1", "series-2", "series-3", "series-4", "series-5"];

// A strategy's colour, the same in every panel: by its place in the run's list.
export function strategyColour(strategies, name) {
  const place = Math.max(0, strategies.indexOf(name));
  return SERIES[place % SERIES.length];
}
