// The WebSocket: keeps one open, and tells when there is none.

const FIRST_RETRY_MS = 400;
const LONGEST_RETRY_MS = 8_000;
const LONGEST_SILENCE_MS = 30_000;
const GOING_AWAY = 1001;

export class Live extends EventTarget {
  #retryMs = FIRST_RETRY_MS;
  #lost = "down";

  constructor(store) {
    super();
    this.store = store;
  }

  open() {
    const socket = new WebSocket(`ws://${location.host}/ws`);
    let [left, silence] = [false, 0];
    const leave = (code = null) => {
      if (left) return;
      left = true;
      clearTimeout(silence);
      socket.close();
      // A run that ends says good-bye; what follows is that nobody answers.
      if (code === GOING_AWAY) this.#lost = "ended";
      this.#say(this.#lost);
      setTimeout(() => this.open(), this.#retryMs * (0.75 + Math.random() / 2));
      this.#retryMs = Math.min(this.#retryMs * 2, LONGEST_RETRY_MS);
    };
    // A bot that hangs and a tunnel that broke close nothing; a bot that works says something every few seconds.
    const wait = () => {
      clearTimeout(silence);
      silence = setTimeout(() => leave(), LONGEST_SILENCE_MS);
    };
    wait();
    socket.addEventListener("message", (event) => {
      if (left) return;
      if (!this.store.take(JSON.parse(event.data))) {
        leave();
        return;
      }
      wait();
      this.#retryMs = FIRST_RETRY_MS;
      this.#lost = "down";
      this.#say("live");
    });
    socket.addEventListener("close", (event) => leave(event.code));
  }

  #say(link) {
    if (document.documentElement.dataset.link === link) return;
    document.documentElement.dataset.link = link;
    this.dispatchEvent(new CustomEvent("link", { detail: link }));
  }
}
