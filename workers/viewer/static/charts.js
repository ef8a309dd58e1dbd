// Figures beside the posts: counted by the server over all results, or here over the posts that are shown.

import { byId, make, percent } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const TOP = 8;
const BINS = 10;

function bars(svg, series, names) {
  const count = series[0].length;
  const { width, height } = svg.viewBox.baseVal;
  const most = Math.max(1, ...series[0].map((_, at) => series.reduce((sum, values) => sum + values[at], 0)));
  const step = width / Math.max(1, count);
  while (svg.children.length < count * series.length) svg.append(document.createElementNS(SVG, "rect"));
  const heights = new Array(count).fill(0);
  series.forEach((values, row) => values.forEach((value, at) => {
    const bar = svg.children[row * count + at];
    const tall = (value / most) * (height - 2);
    heights[at] += tall;
    for (const [name, set] of [["class", names[row]], ["x", at * step + 0.5], ["y", height - heights[at]], ["width", step - 1], ["height", tall]]) bar.setAttribute(name, set);
  }));
}

export function showStatistics(statistics, types) {
  byId("rate").textContent = statistics.per_second < 10 ? statistics.per_second.toFixed(1) : Math.round(statistics.per_second).toLocaleString();
  byId("lag").textContent = statistics.lag === null ? "–" : statistics.lag.toLocaleString();
  byId("lag").title = statistics.lag === null ? "The group of workers has committed nothing yet; see --group-id" : "";
  const all = statistics.throughput;
  bars(byId("throughput"), [all], ["bar-all"]);
  byId("throughput").setAttribute("aria-label", `${all.reduce((sum, each) => sum + each, 0)} posts in the last five minutes`);
  bars(byId("types-chart"), types.map((type) => statistics.types[type]), types);
  const totals = types.map((type) => [type, statistics.types[type].reduce((sum, each) => sum + each, 0)]);
  byId("types-chart").setAttribute("aria-label", totals.map(([type, sum]) => `${type} ${sum}`).join(", "));
  byId("types-legend").replaceChildren(...totals.map(([type, sum]) => make("li", { class: type }, `${type} ${sum.toLocaleString()}`)));
}

export function showPosts(posts, search) {
  const latencies = posts.map((post) => post.latency_ms).filter((each) => each !== null).sort((one, other) => one - other);
  const median = latencies[Math.floor(latencies.length / 2)];
  byId("latency").textContent = median === undefined ? "–" : median < 1000 ? `${Math.round(median)} ms` : `${(median / 1000).toFixed(median < 10000 ? 1 : 0)} s`;

  const bins = new Array(BINS).fill(0);
  const named = new Map();
  for (const post of posts) {
    for (const image of post.images) if (image.relevance !== null) bins[Math.min(BINS - 1, Math.floor(image.relevance * BINS))] += 1;
    for (const { type, text } of post.entities) {
      const key = `${type} ${text}`;
      named.set(key, { type, text, count: (named.get(key)?.count ?? 0) + 1 });
    }
  }
  const histogram = byId("histogram");
  while (histogram.children.length < BINS) histogram.append(make("i"));
  const most = Math.max(1, ...bins);
  const scored = bins.reduce((sum, each) => sum + each, 0);
  bins.forEach((count, bin) => {
    histogram.children[bin].style.transform = `scaleY(${count / most})`;
    histogram.children[bin].title = `${count} between ${bin / BINS} and ${(bin + 1) / BINS}`;
  });
  byId("relation-count").textContent = `${scored} in the posts shown`;
  const related = bins.slice(BINS / 2).reduce((sum, each) => sum + each, 0);
  histogram.setAttribute("aria-label", `${scored} pictures, ${percent(scored ? related / scored : 0)} related`);

  const top = [...named.values()].sort((one, other) => other.count - one.count || one.text.localeCompare(other.text)).slice(0, TOP);
  byId("top").replaceChildren(...top.map(({ type, text, count }) => make("li", {},
    make("button", { type: "button", class: type, title: `${type}: search for it`, onclick: () => search(text) }, text), make("span", {}, String(count)))));
}
