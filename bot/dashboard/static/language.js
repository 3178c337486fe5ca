// Some Chromiums under the POSIX locale call their language "en-US@posix", which no Intl constructor takes and uPlot
// asks for as it loads. To be imported before it.

try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en-US" });
}
