// Corrects one post: choose words, give them a type, judge the pictures, send.

import { ask, make, recalled, remember } from "./dom.js";

const WORD = /[\p{L}\p{M}\p{N}_]+|[^\s]/gu;

export function edit(post, about, card) {
  card.querySelector(".editor") ? card.querySelector(".editor").remove() : card.append(new Editor(post, about).element);
  card.querySelector(".word")?.focus();
}

class Editor {
  constructor(post, about) {
    this.post = post;
    this.about = about;
    this.entities = post.entities.map(({ type, start, end }) => ({ type, start, end }));
    this.words = cut(post.text);
    this.from = this.to = null;
    this.element = this.build();
    this.paint();
  }

  build() {
    const types = this.about.types.map((type, index) => make("button", { type: "button", class: `chip ${type}`, onclick: () => this.assign(type) }, `${type} `, make("kbd", {}, String(index + 1))));
    const none = make("button", { type: "button", onclick: () => this.assign(null) }, "no name ", make("kbd", {}, "0"));
    this.line = make("div", { class: "words", role: "listbox", dir: "auto", "aria-multiselectable": "true", "aria-label": "Words; arrows move, shift extends, digits give a type", onkeydown: (event) => this.key(event) });
    let end = 0;
    const points = Array.from(this.post.text);
    this.words.forEach((word, index) => {
      word.element = make("span", { class: "word", role: "option", tabIndex: index ? -1 : 0,
        onpointerdown: (event) => { event.preventDefault(); word.element.focus(); this.choose(event.shiftKey && this.from !== null ? this.from : index, index); this.dragging = true; },
        onpointerenter: (event) => { if (event.buttons && this.dragging) this.choose(this.from, index); } }, word.text);
      this.line.append(points.slice(end, word.start).join(""), word.element);
      end = word.end;
    });
    this.line.append(points.slice(end).join(""));
    this.relations = this.post.images.map(() => null);
    const judged = this.post.images.map((_, index) => this.judge(index));
    this.annotator = make("input", { type: "text", class: "annotator", maxLength: 200, value: recalled("annotator"), placeholder: "a name or pseudonym" });
    this.token = make("input", { type: "password", class: "token", autocomplete: "off", value: recalled("token", sessionStorage) });
    this.failure = make("p", { class: "failure", role: "alert" });
    return make("form", { class: "editor", "aria-label": "Correction", onsubmit: (event) => { event.preventDefault(); this.send(); } },
      make("p", { class: "row" }, "Choose words, then what they name:", ...types, none), this.line, ...judged,
      make("p", { class: "row" }, make("label", {}, "Who says so ", this.annotator), this.about.token ? make("label", {}, "Token ", this.token) : null,
        make("button", { type: "submit", class: "primary" }, "Send correction"), make("button", { type: "button", onclick: () => this.element.remove() }, "Cancel")),
      this.failure);
  }

  judge(index) {
    const name = `relation-${this.post.place}-${index}`;
    const choice = (label, value) => make("label", {}, make("input", { type: "radio", name, checked: value === null, onchange: () => { this.relations[index] = value; } }), ` ${label}`);
    return make("div", { class: "row" }, make("fieldset", {}, make("legend", { class: "unseen" }, `Picture ${index + 1}`), `Picture ${index + 1}:`,
      choice("adds to the text", true), choice("does not", false), choice("not judged", null)));
  }

  choose(from, to) {
    this.from = from;
    this.to = to;
    this.paint();
  }

  key(event) {
    const index = this.words.findIndex((word) => word.element === document.activeElement);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
    const digit = event.key >= "0" && event.key <= "9" ? Number(event.key) : null;
    if (step) {
      const next = Math.min(this.words.length - 1, Math.max(0, index + step));
      this.choose(event.shiftKey && this.from !== null ? this.from : next, next);
      this.words[next].element.focus();
    } else if (event.key === " " || event.key === "Enter") this.choose(index, index);
    else if (digit !== null && digit <= this.about.types.length) this.assign(digit ? this.about.types[digit - 1] : null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  assign(type) {
    if (this.from === null) { this.failure.textContent = "Choose words first: click one, drag over several."; return; }
    this.failure.textContent = "";
    const [first, last] = [Math.min(this.from, this.to), Math.max(this.from, this.to)];
    const [start, end] = [this.words[first].start, this.words[last].end];
    this.entities = this.entities.filter((entity) => entity.end <= start || entity.start >= end);
    if (type) this.entities.push({ type, start, end });
    this.entities.sort((one, other) => one.start - other.start);
    this.paint();
  }

  paint() {
    const [first, last] = this.from === null ? [1, 0] : [Math.min(this.from, this.to), Math.max(this.from, this.to)];
    this.words.forEach((word, index) => {
      const entity = this.entities.find((each) => each.start < word.end && word.start < each.end);
      const chosen = first <= index && index <= last;
      word.element.className = `word ${entity?.type ?? ""} ${chosen ? "chosen" : ""}`;
      word.element.setAttribute("aria-selected", String(chosen));
      word.element.title = entity?.type ?? "no name";
      word.element.tabIndex = index === (this.to ?? 0) ? 0 : -1;
    });
  }

  async send() {
    const annotator = this.annotator.value.trim();
    this.failure.textContent = "";
    if (!annotator) { this.failure.textContent = "Say who corrects: the trainer keeps it."; this.annotator.focus(); return; }
    remember("annotator", annotator);
    remember("token", this.token.value, sessionStorage);
    try {
      await ask(`/api/posts/${this.post.place}/correction`, { token: this.token.value,
        body: { entities: this.entities, relations: this.post.images.length ? this.relations : null, annotator } });
      this.element.replaceWith(make("p", { class: "thanks", role: "status" }, "Sent. The next training run learns from it."));
    } catch (error) {
      this.failure.textContent = error.message;
    }
  }
}

// Words with their offsets in code points.
function cut(text) {
  let units = 0;
  let points = 0;
  return Array.from(text.matchAll(WORD), (found) => {
    points += Array.from(text.slice(units, found.index)).length;
    const start = points;
    points += Array.from(found[0]).length;
    units = found.index + found[0].length;
    return { text: found[0], start, end: points };
  });
}
