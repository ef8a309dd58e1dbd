// Which posts are shown; kept in the address, so that a view can be passed on.

import { byId, make } from "./dom.js";

const RELATED = 0.5;

export class Filters {
  constructor(types, changed) {
    this.types = types;
    this.chosen = new Set();
    this.releases = new Set();
    const given = new URLSearchParams(location.search);
    this.chips = types.map((type) => make("button", { type: "button", class: `chip ${type}`, "aria-pressed": "false", onclick: () => { this.toggle(type); } }, type));
    document.querySelector(".types").append(...this.chips);
    this.changed = () => { this.show(); changed(); };
    for (const id of ["query", "score", "relation", "release"]) byId(id).addEventListener("input", () => this.changed());
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("filters").addEventListener("reset", () => { this.chosen.clear(); setTimeout(() => this.changed()); });
    given.getAll("type").filter((type) => types.includes(type)).forEach((type) => this.chosen.add(type));
    for (const id of ["query", "score", "relation"]) if (given.has(id)) byId(id).value = given.get(id);
    if (given.get("release")) { this.offer(given.get("release")); byId("release").value = given.get("release"); }
    this.show();
  }

  toggle(type) {
    if (!this.chosen.delete(type)) this.chosen.add(type);
    this.changed();
  }

  search(text) {
    byId("query").value = text;
    this.changed();
  }

  offer(release) {
    if (this.releases.has(release)) return;
    this.releases.add(release);
    byId("release").append(make("option", { value: release }, release));
  }

  show() {
    this.chips.forEach((chip, index) => chip.setAttribute("aria-pressed", String(this.chosen.has(this.types[index]))));
    byId("score-value").textContent = `${byId("score").value} %`;
    const address = new URLSearchParams();
    this.chosen.forEach((type) => address.append("type", type));
    for (const [id, off] of [["query", ""], ["score", "0"], ["relation", ""], ["release", ""]]) if (byId(id).value !== off) address.set(id, byId(id).value);
    this.any = address.size > 0;
    history.replaceState(null, "", `${location.pathname}${this.any ? `?${address}` : ""}`);
    this.query = byId("query").value.trim().toLowerCase();
    this.score = Number(byId("score").value) / 100;
    this.relation = byId("relation").value;
    this.release = byId("release").value;
  }

  let(post) {
    const entities = this.chosen.size ? post.entities.filter((entity) => this.chosen.has(entity.type)) : post.entities;
    if (this.chosen.size && !entities.length) return false;
    if (this.score > 0 && !entities.some((entity) => entity.score >= this.score)) return false;
    if (this.release && post.release !== this.release) return false;
    if (this.query && !(post.text ?? post.entities.map((entity) => entity.text).join(" ")).toLowerCase().includes(this.query)) return false;
    const scores = post.images.map((image) => image.relevance).filter((each) => each !== null);
    switch (this.relation) {
      case "related": return scores.some((score) => score > RELATED);
      case "unrelated": return scores.some((score) => score <= RELATED);
      case "lost": return post.images.some((image) => image.status !== "ok");
      case "none": return !post.images.length;
      default: return true;
    }
  }
}
