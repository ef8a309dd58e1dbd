// Writes a post of one's own to Kafka, and waits for it to come back tagged.

import { ask, byId, recalled, remember } from "./dom.js";

const PATIENCE_MS = 15000;

export class Composer {
  constructor(about, came) {
    this.about = about;
    this.came = came;
    this.awaited = new Map();
    this.dialog = byId("composer");
    this.form = byId("compose");
    this.failure = this.form.querySelector(".failure");
    this.token = this.form.querySelector(".token");
    this.form.querySelector(".token-field").hidden = !about.token;
    this.token.value = recalled("token", sessionStorage);
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.send(); });
    this.form.querySelector(".close").addEventListener("click", () => this.dialog.close());
    byId("write").hidden = !about.posts;
    byId("write").addEventListener("click", () => this.open());
  }

  open() {
    if (!this.about.posts || this.dialog.open) return;
    this.failure.textContent = "";
    this.dialog.showModal();
    byId("compose-text").focus();
  }

  async send() {
    const button = this.form.querySelector("[type=submit]");
    const token = this.token.value;
    remember("token", token, sessionStorage);
    button.disabled = true;
    this.failure.textContent = "";
    try {
      const [file] = byId("compose-picture").files;
      if (file && file.size > this.about.max_upload_bytes) throw new Error(`The picture has more than ${this.about.max_upload_bytes.toLocaleString()} bytes; choose a smaller one.`);
      const urls = file ? [(await ask("/api/uploads", { body: file, type: "application/octet-stream", token })).url] : [];
      const { id } = await ask("/api/posts", { body: { text: byId("compose-text").value, image_urls: urls }, token });
      this.awaited.set(id, setTimeout(() => {
        this.awaited.delete(id);
        byId("announce").textContent = `Post ${id} has not come back yet: is a worker running? See rpbert dlq list.`;
      }, PATIENCE_MS));
      this.form.reset();
      this.token.value = token;
      this.dialog.close();
    } catch (error) {
      this.failure.textContent = error.message;
    } finally {
      button.disabled = false;
    }
  }

  arrived(post) {
    if (!this.awaited.has(post.id)) return;
    clearTimeout(this.awaited.get(post.id));
    this.awaited.delete(post.id);
    byId("announce").textContent = "Your post came back tagged.";
    this.came(post);
  }
}
