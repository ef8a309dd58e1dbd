// Elements and requests. Text from posts only ever becomes text nodes: nothing here parses HTML.

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.includes("-")) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;

// The browser's own limits on storage, such as in private windows, must not end the page.
export function recalled(key, storage = localStorage) {
  try { return storage.getItem(`rpbert.${key}`) ?? ""; } catch { return ""; }
}

export function remember(key, value, storage = localStorage) {
  try { storage.setItem(`rpbert.${key}`, value); } catch { /* then it is asked again */ }
}

// What the server answers, or an Error with its sentence.
export async function ask(path, { body, type, token } = {}) {
  const headers = {};
  const options = { headers };
  if (body !== undefined) {
    options.method = "POST";
    options.body = type ? body : JSON.stringify(body);
    headers["Content-Type"] = type ?? "application/json";
    headers["X-RpBERT-Viewer"] = "1";
    if (token) headers.Authorization = `Bearer ${token}`;
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The viewer does not answer; is it still running?");
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.error ?? `The viewer answered ${answer.status}.`);
  return content;
}
