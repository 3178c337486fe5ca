// Numbers, ages and names as a person reads them. Amounts arrive as decimal strings and stay exact until they are cut.

const ETH_DECIMALS = 18;
const MINUS = "\u2212";
const THIN_SPACE = "\u202f";

// `units` (a decimal string) of a token with `decimals`, cut to `digits` after the point.
export function amount(units, decimals, digits = 6) {
  const negative = units.startsWith("-");
  const padded = units.replace("-", "").padStart(decimals + 1, "0");
  const whole = padded.slice(0, padded.length - decimals).replace(/\B(?=(\d{3})+$)/g, THIN_SPACE);
  const fraction = padded.slice(padded.length - decimals).slice(0, digits);
  return `${negative ? MINUS : ""}${whole}${fraction ? `.${fraction}` : ""}`;
}

// As `amount`, without zeros at the end. What is too little for so many digits is not told as nothing.
export function shortAmount(units, decimals, digits = 6) {
  const text = amount(units, decimals, digits);
  if (/[1-9]/.test(units) && !/[1-9]/.test(text)) return `<0.${"1".padStart(digits, "0")}`;
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

export function eth(wei, digits = 6) {
  return amount(wei, ETH_DECIMALS, digits);
}

// With its sign: profits and losses. What is too little for so many digits is not told as nothing.
export function signedEth(wei, digits = 6) {
  const text = eth(wei, digits);
  const least = `0.${"1".padStart(digits, "0")}`;
  if (!/[1-9]/.test(text)) return { gain: `<+${least}`, flat: text, loss: `>${MINUS}${least}` }[sign(wei)];
  return text.startsWith(MINUS) ? text : `+${text}`;
}

// `signedEth` in a column: the more before the point, the fewer digits after it.
export function columnEth(wei) {
  const whole = wei.replace("-", "").length - ETH_DECIMALS;
  return signedEth(wei, Math.max(0, 7 - Math.max(1, whole)));
}

// For drawing and for shares only.
export function ethNumber(wei) {
  return Number(wei) / 1e18;
}

export function gwei(wei) {
  return `${shortAmount(wei, 9, 6)} gwei`;
}

export function count(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, THIN_SPACE);
}

export function sign(wei) {
  const value = BigInt(wei);
  return value > 0n ? "gain" : value < 0n ? "loss" : "flat";
}

export function age(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  if (seconds < 5_940) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

export function clock(ms) {
  return new Date(ms).toLocaleTimeString("en-GB");
}

export function day(ms) {
  return new Date(ms).toLocaleDateString("en-GB", { day: "numeric", month: "short" });
}

// The time of today, and of another day with that day.
export function when(ms) {
  return day(ms) === day(Date.now()) ? clock(ms) : `${day(ms)} ${clock(ms)}`;
}

// Says so where a table shows only a part of all.
export function leftOut(shown, all) {
  return all > shown ? `${count(shown)} of ${count(all)}` : "";
}

// On an axis of time, where midnight begins another day.
export function tick(ms) {
  const at = new Date(ms);
  const midnight = !(at.getHours() || at.getMinutes() || at.getSeconds());
  return midnight ? day(ms) : clock(ms);
}

// With its day and zone, where it stands alone.
export function moment(ms) {
  return new Date(ms).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "long" });
}

export function fee(ppm) {
  return `${(ppm / 10_000).toFixed(4).replace(/\.?0+$/, "")} %`;
}

export function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  return value < 10 ? value.toFixed(1) : String(Math.round(value));
}

export function shortHash(text, head = 8, tail = 4) {
  return text.length > head + tail + 1 ? `${text.slice(0, head)}…${text.slice(-tail)}` : text;
}

// Whether a switch, by what it says, lets nothing begin but still has what is open taken back.
export function reducing(why) {
  return why.startsWith("reducing by ");
}

export function words(code) {
  return code.replaceAll("_", " ");
}

// A walk as the ledger writes it, with one separator everywhere.
export function route(text) {
  return text.replace(/ (?:->|\u2192) /g, " \u203a ");
}

// A sentence whose addresses and hashes do not push everything else aside.
export function sentence(text) {
  return text.replace(/\b0x[0-9a-fA-F]{40,}\b/g, (long) => shortHash(long, 8, 4));
}
