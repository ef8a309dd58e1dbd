// One post as a card: marked text, pictures with their relation, attention on hover, facts.

import { ask, make, percent } from "./dom.js";
import { edit } from "./editor.js";

const RELATED = 0.5; // The bound of the hard gates; a score at it is unrelated.
const LONGEST = 1500; // Code points shown before "Show all".
const STATUS = {
  bad_url: "no address of a picture", refused: "from a network we don't fetch from", unreachable: "host unreachable",
  timeout: "too slow", http_error: "host gave no picture", too_large: "too large", not_a_picture: "no picture", broken: "broken",
};

export function card(post, about) {
  const attention = new Attention(post, about);
  const images = make("div", { class: "images" }, ...post.images.map((image, index) => picture(post, about, image, index, attention)));
  const element = make("article", { class: "post", tabIndex: 0, "aria-label": `Post ${post.id}`, "data-place": post.place },
    words(post, attention), post.images.length ? images : null);
  element.append(facts(post, about, element));
  return element;
}

function words(post, attention) {
  if (post.text === null) {
    const gone = make("p", { class: "post-text gone" }, "The text is no longer in Kafka. Found in it: ");
    post.entities.forEach((entity) => gone.append(marked(entity, entity.text, attention), " "));
    return gone;
  }
  const text = make("p", { class: "post-text", dir: "auto" });
  fill(text, post, attention, LONGEST);
  return text;
}

// Offsets count code points, as Array.from does and JavaScript's strings do not.
function fill(element, post, attention, most) {
  const points = Array.from(post.text);
  const shown = Math.min(points.length, most);
  let end = 0;
  element.replaceChildren();
  for (const entity of post.entities) {
    if (entity.end > shown) break;
    element.append(points.slice(end, entity.start).join(""), marked(entity, points.slice(entity.start, entity.end).join(""), attention));
    end = entity.end;
  }
  element.append(points.slice(end, shown).join(""));
  if (!points.length) element.append(make("span", { class: "gone" }, "(no text)"));
  if (shown < points.length) {
    element.append("… ", make("button", { type: "button", onclick: () => fill(element, post, attention, points.length) }, `Show all ${points.length.toLocaleString()} characters`));
  }
}

function marked(entity, text, attention) {
  const label = `${entity.type}, ${percent(entity.score)} sure`;
  const element = make(attention.possible ? "button" : "mark", { class: `entity ${entity.type}`, title: label },
    text, make("sup", {}, `${entity.type} ${Math.round(100 * entity.score)}`));
  element.style.setProperty("--sure", 0.08 + 0.36 * entity.score);
  if (attention.possible) {
    element.type = "button";
    element.setAttribute("aria-pressed", "false");
    element.title = `${label}; what it attends to in the picture`;
    attention.offer(element, entity);
  }
  return element;
}

function picture(post, about, image, index, attention) {
  if (image.status !== "ok") {
    return make("figure", { class: "image lost" }, make("div", { class: "frame" }, `Picture not to be had: ${STATUS[image.status] ?? image.status}. Tagged by the text alone.`));
  }
  const gate = about.attention && about.attention.release === post.release ? about.attention.gate : null;
  const unrelated = image.relevance <= RELATED;
  const shut = unrelated && gate !== "off" && gate !== "soft";
  const verdict = gate === "off" ? "let in, no gate"
    : gate === "soft" ? `let in to ${percent(image.relevance)}`
    : gate ? (shut ? "shut out" : "let in")
    : (unrelated ? "unrelated" : "related");
  const frame = make("div", { class: "frame" });
  if (about.pictures) {
    frame.append(make("span", {}, "fetching …"), make("img", {
      src: `/api/posts/${post.place}/pictures/${index}`, loading: "lazy", decoding: "async",
      alt: `Picture ${index + 1} of the post, ${verdict}`, title: "As the model sees it: the whole picture, squashed to 224 × 224",
      onload: (event) => event.target.previousElementSibling?.remove(),
      onerror: (event) => event.target.parentElement?.replaceChildren("The picture can't be had any more."),
    }));
  } else frame.append("Pictures are not shown here.");
  const fill = make("span", { class: "gauge-fill" });
  fill.style.transform = `scaleX(${image.relevance})`;
  const gauge = make("span", { class: "gauge", role: "meter", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(100 * image.relevance), "aria-label": "Relation of picture and text" }, fill);
  const figure = make("figure", { class: shut ? "image shut" : "image" }, frame, gauge,
    make("figcaption", { class: "verdict" }, make("span", {}, verdict), make("b", { title: "Relation score, P(picture and text are related)" }, percent(image.relevance))));
  if (gate === "soft") frame.style.setProperty("opacity", 0.3 + 0.7 * image.relevance);
  attention.frames[index] = frame;
  return figure;
}

function facts(post, about, element) {
  const time = new Date(post.processed_at);
  const line = make("p", { class: "facts" },
    make("span", { title: "Model release" }, post.release),
    post.latency_ms === null ? null : make("span", { class: "latency", title: "From the post's time stamp in Kafka until the worker was done" }, `${Math.round(post.latency_ms).toLocaleString()} ms`),
    make("time", { dateTime: post.processed_at, title: post.source }, time.toLocaleTimeString()),
    make("a", { href: `/posts/${post.place}`, title: "A link to this post alone" }, "link"),
    make("span", { class: "id", title: `id ${post.id}` }, post.id));
  if (about.corrections && post.text !== null) {
    line.append(make("button", { type: "button", class: "correct", onclick: () => edit(post, about, element) }, "Correct"));
  }
  return line;
}

// Asks once a card, and only when somebody points at an entity.
class Attention {
  constructor(post, about) {
    this.place = post.place;
    this.frames = [];
    this.possible = Boolean(about.attention) && about.attention.release === post.release && post.text !== null && post.images.some((image) => image.status === "ok");
    this.pinned = null;
    this.wanted = null;
  }

  offer(element, entity) {
    element.addEventListener("pointerenter", () => this.show(entity));
    element.addEventListener("focus", () => this.show(entity));
    element.addEventListener("pointerleave", () => this.rest());
    element.addEventListener("blur", () => this.rest());
    element.addEventListener("click", () => {
      const pin = this.pinned?.element !== element;
      this.pinned?.element.setAttribute("aria-pressed", "false");
      this.pinned = pin ? { element, entity } : null;
      element.setAttribute("aria-pressed", String(pin));
      this.rest();
    });
  }

  rest() {
    if (this.pinned) this.show(this.pinned.entity);
    else { this.wanted = null; this.clear(); }
  }

  clear() {
    this.frames.forEach((frame) => frame.querySelectorAll(".heat, .note").forEach((each) => each.remove()));
  }

  async show(entity) {
    this.wanted = entity;
    try {
      this.answer ??= ask(`/api/posts/${this.place}/attention`);
      const { entities } = await this.answer;
      if (this.wanted !== entity) return;
      this.clear();
      const found = entities.find((each) => each.start === entity.start && each.end === entity.end && each.type === entity.type);
      this.frames.forEach((frame, index) => this.draw(frame, entity, found?.attention[index]));
    } catch (error) {
      this.answer = undefined;
      if (this.wanted !== entity) return;
      this.clear();
      this.frames.forEach((frame) => frame.append(make("span", { class: "note" }, error.message)));
    }
  }

  draw(frame, entity, maps) {
    if (!maps) {
      frame.append(make("span", { class: "note" }, "Computed again, this comes out differently: the picture is not what the worker had."));
      return;
    }
    const sum = (rows) => rows.flat().reduce((whole, share) => whole + share, 0);
    const after = sum(maps.after);
    const rows = after ? maps.after : maps.before;
    const most = Math.max(...rows.flat());
    const heat = make("div", { class: "heat", "aria-hidden": "true" });
    for (const share of rows.flat()) {
      const block = make("i", { title: percent(share, 2) });
      block.style.opacity = (after ? 0.8 : 0.45) * (most ? share / most : 0);
      heat.append(block);
    }
    const says = after
      ? `${percent(after, 1)} of what “${entity.text}” attends to is in this picture`
      : `Shut out. Were the gate open, ${percent(sum(maps.before), 1)} of what “${entity.text}” attends to would be here`;
    frame.append(heat, make("span", { class: "note" }, says));
  }
}
