// The one thing the page may do: stop the trading, all of it or one strategy's.

import { $, element, setText } from "./dom.js";
import { words } from "./format.js";

const PATIENCE_MS = 10_000;

async function answered(path, asked = {}) {
  // A bot that hangs and a tunnel that broke would never say no.
  const patience = new AbortController();
  const over = setTimeout(() => patience.abort(), PATIENCE_MS);
  const response = await fetch(path, { ...asked, signal: patience.signal }).catch(() => null);
  const said = await response?.json().catch(() => null);
  clearTimeout(over);
  if (!said) throw new Error("the bot does not answer; `isthmus halt` in a terminal stops it too");
  if (!response.ok) throw new Error(said.error);
  return said;
}

async function stop(wish) {
  const { token } = await answered("/api/session");
  const headers = { "Content-Type": "application/json", "X-Isthmus-Token": token };
  return answered("/api/stop", { method: "POST", headers, body: JSON.stringify(wish) });
}

export class Stop {
  constructor(store) {
    this.store = store;
    this.dialog = $("stopping");
    $("stop").addEventListener("click", () => this.#open());
    // Also what Enter means where the reason is written.
    this.dialog.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask(false);
    });
    $("stop-not").addEventListener("click", () => this.dialog.close());
    $("stop-flatten").addEventListener("click", () => this.#ask(true));
  }

  #open() {
    const names = this.store.values.header?.strategies ?? [];
    const choices = [["", "everything"], ...names.map((name) => [name, words(name)])];
    $("stop-what").replaceChildren(...choices.map(([value, text]) => element("option", { value }, text)));
    this.#say("");
    this.dialog.showModal();
    $("stop-now").focus();
  }

  async #ask(flatten) {
    this.#say("Telling the bot …");
    try {
      await stop({ strategy: $("stop-what").value, because: $("stop-why").value, flatten });
      this.dialog.close();
    } catch (error) {
      this.#say(`It may still be trading: ${error.message}`);
    }
  }

  #say(text) {
    setText($("stop-said"), text);
    $("stop-said").hidden = !text;
  }
}
