// The page: follows the events, keeps the last posts, shows the newest that the filters let through.

import { card } from "./card.js";
import { showPosts, showStatistics } from "./charts.js";
import { Composer } from "./composer.js";
import { ask, byId, make, recalled, remember } from "./dom.js";
import { Filters } from "./filters.js";

const STEP = 40; // Cards in the page; "Show older posts" adds as many.
const FIGURES_MS = 400;
const AGAIN_MS = 3000;

class Page {
  constructor(about) {
    this.about = about;
    this.posts = []; // The newest first, at most `history`.
    this.places = new Set();
    this.waiting = []; // Those that came while nobody wanted the page to move, the newest first.
    this.show = STEP;
    this.skipped = 0;
    this.paused = false;
    this.linked = location.pathname.startsWith("/posts/") ? location.pathname.slice("/posts/".length) : null;
    this.list = byId("posts");
    this.filters = new Filters(about.types, () => this.render());
    this.composer = new Composer(about, () => this.takeWaiting());
    byId("more").addEventListener("click", () => { this.show += STEP; this.render(); });
    byId("fresh").firstElementChild.addEventListener("click", () => { scrollTo(0, 0); this.takeWaiting(); });
    byId("pause").addEventListener("click", () => this.pause());
    addEventListener("scroll", () => { if (this.waiting.length && !this.held) this.takeWaiting(); }, { passive: true });
    document.addEventListener("keydown", (event) => this.key(event));
    if (this.linked) this.showLinked();
  }

  get held() {
    return this.paused || scrollY > 200 || this.list.querySelector(".editor") !== null;
  }

  follow() {
    const source = new EventSource("/api/events");
    source.addEventListener("open", () => this.tell("live"));
    source.addEventListener("posts", (event) => this.take(JSON.parse(event.data)));
    source.addEventListener("statistics", (event) => this.figures(JSON.parse(event.data)));
    source.addEventListener("error", () => {
      this.tell("reconnecting");
      // The browser tries again by itself, but not after an answer that is no stream.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => this.follow(), AGAIN_MS);
    });
  }

  tell(state, text) {
    const element = byId("state");
    element.dataset.state = state;
    const says = text ?? { live: this.paused ? "paused" : `live on ${this.about.topic}`, reconnecting: "reconnecting …" }[state];
    if (element.textContent !== says) element.textContent = says;
    this.state = state;
  }

  take({ posts, skipped }) {
    this.skipped += skipped;
    const fresh = posts.filter((post) => !this.places.has(post.place)).reverse();
    fresh.forEach((post) => { this.places.add(post.place); this.filters.offer(post.release); });
    this.waiting.unshift(...fresh);
    this.forget(this.waiting);
    if (!this.held) this.takeWaiting();
    else this.announceWaiting();
    fresh.forEach((post) => this.composer.arrived(post));
  }

  takeWaiting() {
    const fresh = this.waiting;
    this.waiting = [];
    this.posts.unshift(...fresh);
    this.forget(this.posts);
    this.announceWaiting();
    if (this.linked) { this.later(); return; }
    const cards = fresh.filter((post) => this.filters.let(post)).slice(0, this.show).map((post) => card(post, this.about));
    if (this.list.children.length) cards.forEach((each) => each.classList.add("new"));
    this.list.prepend(...cards);
    while (this.list.children.length > this.show) this.list.lastElementChild.remove();
    this.later();
  }

  forget(posts) {
    posts.splice(this.about.history).forEach((post) => this.places.delete(post.place));
  }

  announceWaiting() {
    const count = this.linked ? 0 : this.waiting.filter((post) => this.filters.let(post)).length;
    byId("fresh").hidden = count === 0;
    byId("fresh").firstElementChild.textContent = `${count.toLocaleString()} new post${count === 1 ? "" : "s"}`;
  }

  render() {
    if (this.linked) return;
    const matching = this.posts.filter((post) => this.filters.let(post));
    this.list.replaceChildren(...matching.slice(0, this.show).map((post) => card(post, this.about)));
    this.announceWaiting();
    this.summary();
  }

  later() {
    this.due ??= setTimeout(() => { this.due = undefined; this.summary(); }, FIGURES_MS);
  }

  summary() {
    const matching = this.posts.filter((post) => this.filters.let(post));
    showPosts(matching, (text) => this.filters.search(text));
    if (this.linked) return;
    byId("empty").hidden = this.posts.length > 0;
    byId("more").hidden = matching.length <= this.list.children.length;
    const kept = this.posts.length.toLocaleString();
    const skipped = this.skipped ? `; ${this.skipped.toLocaleString()} passed over, more came than can be looked at` : "";
    byId("count").textContent = !this.posts.length ? ""
      : this.filters.any ? `${matching.length.toLocaleString()} of the last ${kept} posts match${skipped}` : `The last ${kept} posts${skipped}`;
  }

  figures(statistics) {
    showStatistics(statistics, this.about.types);
    if (statistics.trouble) this.tell("trouble", statistics.trouble);
    else this.tell("live");
  }

  async showLinked() {
    byId("filters").hidden = byId("empty").hidden = true;
    byId("count").replaceChildren("One post. ", make("a", { href: "/" }, "All posts"));
    try {
      const element = card(await ask(`/api/posts/${this.linked}`), this.about);
      element.classList.add("linked");
      this.list.replaceChildren(element);
    } catch (error) {
      this.list.replaceChildren(make("p", { class: "empty" }, error.message));
    }
  }

  pause() {
    this.paused = !this.paused;
    byId("pause").setAttribute("aria-pressed", String(this.paused));
    byId("pause").firstChild.textContent = this.paused ? "Go on " : "Pause ";
    this.tell(this.state ?? "live");
    if (!this.paused) this.takeWaiting();
  }

  key(event) {
    if (event.key === "Escape") { document.activeElement.closest(".editor")?.remove(); document.activeElement.blur(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || byId("composer").open || document.activeElement.closest("input, textarea, select, .editor")) return;
    // Beside one post there are no filters to be seen.
    const type = this.linked ? undefined : this.about.types[Number(event.key) - 1];
    const actions = {
      "/": () => byId("query").focus(), p: () => this.pause(), d: theme, "?": help, n: () => this.composer.open(),
      j: () => this.step(1), k: () => this.step(-1), c: () => document.activeElement.closest(".post")?.querySelector(".correct")?.click(),
    };
    const action = type ? () => this.filters.toggle(type) : actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  step(by) {
    const cards = [...this.list.children];
    const at = cards.indexOf(document.activeElement.closest(".post"));
    cards[Math.min(cards.length - 1, Math.max(0, at + by))]?.focus();
  }
}

function theme(given) {
  const root = document.documentElement;
  const dark = typeof given === "boolean" ? given : root.dataset.theme !== "dark";
  root.dataset.theme = dark ? "dark" : "light";
  byId("theme").firstChild.textContent = dark ? "Light " : "Dark ";
  if (typeof given !== "boolean") remember("theme", root.dataset.theme);
}

function help(given) {
  const open = typeof given === "boolean" ? given : byId("about").hidden;
  byId("about").hidden = !open;
  byId("help").setAttribute("aria-expanded", String(open));
  if (typeof given !== "boolean") remember("help", open ? "open" : "closed");
}

theme(recalled("theme") ? recalled("theme") === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
help(recalled("help") !== "closed");
byId("theme").addEventListener("click", theme);
byId("help").addEventListener("click", help);

async function begin() {
  try {
    new Page(await ask("/api/about")).follow();
  } catch (error) {
    byId("state").dataset.state = "trouble";
    byId("state").textContent = error.message;
    setTimeout(begin, AGAIN_MS);
  }
}
begin();
