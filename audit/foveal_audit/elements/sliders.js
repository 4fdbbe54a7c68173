// <foveal-sliders>: walk through what a feature looks like. It holds one <script type="application/json"
// class="lattice">; see Lattice.as_json in foveal_audit.lattice. Each settled picture is told to the page as an
// event "foveal-frame" with {feature, z, kind}.

const MOST_UNDONE = 200;
const KEY_STEPS = 40; // of a slider's range, where frames come from a server
const COSTLY = 15; // milliseconds of the audited model above which it is asked on release only
const KEPT = 5; // decimals of a latent, as the lattice writes them
const KINDS = {
  exact: ["exact", "a frame of the generator itself"],
  blend: ["blend", "a mix of neighbouring frames, shown while moving; not the generator's own"],
  withheld: ["withheld", "it looks like a crop the generator was trained on"],
};
const OFFLINE_KEYS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 2, PageDown: -2, Home: -99, End: 99 };

const rounded = (value) => Number(value.toFixed(KEPT));
const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);

class FovealSliders extends HTMLElement {
  connectedCallback() {
    if (this.ready) return;
    this.ready = parsed().then(() => near(this)).then(() => this.#start());
  }

  disconnectedCallback() {
    if (this.movie) this.movie.playing = false;
  }

  async #start() {
    this.told = toldIn(this, "script.lattice");
    if (!this.told) return;
    this.all = [...this.told.axes, ...(this.told.exact ? this.told.more || [] : [])];
    this.undone = [];
    this.seed = this.told.seed || 0;
    this.modelCost = 0;
    this.lattice = this.told.sprite ? new Lattice(this.told) : null;
    if (this.told.exact) this.exact = new Exact(this.told.exact, (...heard) => this.#heard(...heard), (fault) => this.#failed(fault));
    this.movie = new Movie((z) => this.move(z), (z) => this.settle(z));
    this.#build();
    await this.lattice?.load();
    await this.settle(this.#kept() || this.told.origin, false);
    this.first = this.z;
  }

  // The latent kept in the page's address, if it is one of ours.
  #kept() {
    const text = settingsInAddress().get(`z:${this.told.feature}`);
    const z = (text || "").split(",").map(Number);
    return z.length === this.told.origin.length && z.every(Number.isFinite) && text ? z : null;
  }

  // ---- what is shown -------------------------------------------------------------------------------------

  // Show latents z while something moves: a blend offline, exact frames as fast as they come from a server.
  move(z) {
    this.z = z.map(rounded);
    this.#sync();
    if (!this.exact) return this.#draw(this.z);
    return this.exact.ask(this.modelCost > COSTLY ? { z: this.z, part: "picture" } : { z: this.z });
  }

  // Show latents z at rest: always an exact frame. It can be undone and is kept in the address.
  async settle(z, undoable = true) {
    if (undoable && this.settled) this.undone = [...this.undone, this.settled].slice(-MOST_UNDONE);
    this.z = (this.exact ? z : this.lattice.snapped(z)).map(rounded);
    this.#sync();
    if (this.exact) await this.exact.ask({ z: this.z });
    else this.#rest();
    this.#settled();
  }

  #rest() {
    this.#draw(this.z);
    this.#say("");
  }

  // Let go of a slider; offline it goes on to the nearest stored picture, and says so.
  async #release(one, value) {
    await this.settle(this.#dragged(one, value));
    const [asked, shown] = [signed(Number(value)), signed(this.z[one.axis])];
    if (!this.exact && asked !== shown) this.#say(`There is no picture at ${asked}; the nearest of ${this.told.steps} stored ones is at ${shown}.`);
  }

  #settled() {
    this.settled = this.z;
    this.parts.undo.disabled = !this.undone.length;
    if (this.first && !this.hasAttribute("no-address")) keepInAddress(`z:${this.told.feature}`, this.z.join(","));
    const detail = { feature: this.told.feature, z: this.z, kind: this.kind };
    this.dispatchEvent(new CustomEvent("foveal-frame", { detail, bubbles: true, composed: true }));
  }

  #draw(z) {
    const drawn = this.lattice.blend(z, this.surface.image);
    if (drawn) this.surface.paint();
    this.#name(drawn ? (this.lattice.isNode(z) ? "exact" : "blend") : "withheld");
  }

  #heard(frame, question) {
    if (question.seed !== undefined) {
      this.z = frame.z.map(rounded);
      this.#sync();
    }
    this.surface.show(frame.picture);
    this.frame = frame;
    this.#name(frame.withheld ? "withheld" : "exact");
    this.#tell(frame);
  }

  #failed(fault) {
    this.#say(`${fault.message}. Precomputed pictures are shown instead.`);
    if (this.lattice) this.#draw(this.z);
  }

  #name(kind) {
    if (kind === "withheld") this.surface.clear();
    this.parts.canvas.setAttribute("aria-label", `${KINDS[kind][0]} picture of ${this.told.feature}: ${this.#where()}`);
    if (kind === this.kind) return;
    this.kind = kind;
    this.parts.kind.className = `kind ${kind}`;
    this.parts.kind.textContent = KINDS[kind][0];
    this.parts.meaning.textContent = this.#meaning(kind);
  }

  #meaning(kind) {
    const off = this.told.deviation;
    const stored = kind === "exact" && !this.exact && off ? `, stored within ${off} of 255 grey levels` : "";
    return KINDS[kind][1] + stored;
  }

  #where() {
    return this.told.axes.map((one, i) => `axis ${i + 1} at ${signed(this.z[one.axis])}`).join(", ");
  }

  // What the audited model and the library say of an exact frame.
  #tell(frame) {
    const { activation, nearest } = frame;
    if (activation) {
      this.modelCost = activation.milliseconds;
      this.parts.activation.textContent = `The audited model's value here: ${activation.value.toFixed(2)} (most real crops: ${activation.low.toFixed(2)} to ${activation.high.toFixed(2)}).`;
    }
    this.parts.activation.hidden = !this.parts.activation.textContent;
    this.parts.warning.hidden = !frame.warnings.length;
    this.parts.warning.textContent = frame.warnings.join(" ");
    this.#beside(nearest);
  }

  // The real crops beside a frame; those that stand there already stay, so that nothing flickers.
  #beside(nearest) {
    this.parts.near.hidden = !nearest.length;
    const there = new Map([...this.parts.nearest.children].map((item) => [item.dataset.url, item]));
    this.parts.nearest.replaceChildren(...nearest.map((one) => {
      const item = there.get(one.url) || make("li", { "data-url": one.url }, make("img", { src: one.url, alt: `Real crop of ${one.sample}`, title: one.sample }), make("span"));
      item.lastChild.textContent = `distance ${one.distance.toFixed(3)}`;
      return item;
    }));
  }

  #say(text) {
    this.parts.said.textContent = text;
  }

  #sync() {
    this.all.forEach((one, i) => {
      const value = this.z[one.axis];
      this.inputs[i].value = value;
      this.inputs[i].setAttribute("aria-valuetext", signed(value));
      this.outputs[i].textContent = signed(value);
    });
    this.parts.vector.value = JSON.stringify({ feature: this.told.feature, seed: this.seed, z: this.z });
  }

  // ---- what people do ------------------------------------------------------------------------------------

  reset() {
    this.pause();
    return this.settle(this.told.origin);
  }

  undo() {
    this.pause();
    const before = this.undone.pop();
    return before ? this.settle(before, false) : null;
  }

  // A picture drawn by the seed: a served draw from a server, offline a node of the lattice.
  async random() {
    this.pause();
    this.seed = (this.seed + 1) >>> 0;
    this.parts.seed.value = this.seed;
    if (!this.exact) return this.settle(this.#randomNode());
    this.undone = [...this.undone, this.settled].slice(-MOST_UNDONE);
    await this.exact.ask({ seed: this.seed });
    return this.#settled();
  }

  #randomNode() {
    const chance = seeded(this.seed);
    const places = this.told.axes.map(() => Math.floor(chance() * this.told.steps));
    return this.lattice.at(places, this.told.origin);
  }

  async play() {
    if (!this.movie.path.length) await this.#loadWalk();
    this.movie.play();
    this.#showPlaying();
  }

  pause() {
    this.movie.pause();
    this.#showPlaying();
  }

  async step(frames) {
    if (!this.movie.path.length) await this.#loadWalk();
    await this.movie.step(frames);
    this.#showPlaying();
  }

  async #loadWalk() {
    const seed = this.seed;
    this.movie.load(this.exact ? await this.exact.walk(seed, WALK_FRAMES) : walkInside(this.told.axes, this.told.origin, seed, WALK_FRAMES));
  }

  #showPlaying() {
    this.parts.play.textContent = this.movie.playing ? "Pause" : "Play";
    this.parts.play.setAttribute("aria-pressed", this.movie.playing);
  }

  #reseed(text) {
    this.pause();
    this.seed = Number.parseInt(text, 10) >>> 0;
    this.movie.load([]);
    if (this.parts.save) this.parts.save.href = this.exact.movie(this.seed);
    this.#sync();
  }

  #dragged(one, value) {
    const z = [...this.z];
    z[one.axis] = Number(value);
    return z;
  }

  // Offline a key goes from picture to picture: a smaller step would fall back to where it came from.
  #key(event, one) {
    const steps = OFFLINE_KEYS[event.key];
    if (this.exact || steps === undefined) return;
    event.preventDefault();
    this.pause();
    const size = (one.high - one.low) / (this.told.steps - 1);
    const value = Math.min(one.high, Math.max(one.low, this.z[one.axis] + steps * size));
    this.settle(this.#dragged(one, value));
  }

  #shortcut(event) {
    const typing = event.composedPath()[0].matches("input:not([type=range]), textarea, select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const does = { u: () => this.undo(), r: () => this.random(), "0": () => this.reset(), p: () => (this.movie.playing ? this.pause() : this.play()), ",": () => this.step(-1), ".": () => this.step(1) };
    if (!does[event.key]) return;
    event.preventDefault();
    does[event.key]();
  }

  // ---- how it is built -----------------------------------------------------------------------------------

  #build() {
    const root = this.attachShadow({ mode: "open" });
    styled(root, STYLE);
    this.parts = {};
    root.append(make("div", { className: "all", onkeydown: (event) => this.#shortcut(event) }, this.#figure(), this.#controls()));
    this.surface = surfaceOf(this.told, this.parts.canvas);
  }

  #part(name, element) {
    this.parts[name] = element;
    return element;
  }

  #figure() {
    return make("figure", {},
      this.#part("canvas", make("canvas", { role: "img", "aria-label": `Picture of ${this.told.feature}, not there yet` })),
      make("figcaption", {}, make("span", { role: "status" }, this.#part("kind", make("b", { className: "kind" })), " ", this.#part("meaning", make("span")))),
      this.#part("activation", make("p", { className: "activation", hidden: true })),
      this.#part("warning", make("p", { className: "warning", role: "status", hidden: true })),
      this.#part("near", make("div", { hidden: true },
        make("p", { className: "title" }, "Nearest real crops"),
        this.#part("nearest", make("ul", { className: "nearest" })))));
  }

  #controls() {
    [this.inputs, this.outputs] = [[], []];
    const first = this.told.axes.map((one, i) => this.#slider(one, i));
    const rest = this.all.slice(first.length).map((one, i) => this.#slider(one, first.length + i));
    const more = rest.length ? [make("details", {}, make("summary", {}, `${rest.length} more axes`), ...rest)] : [];
    return make("div", {}, ...first, ...more, this.#buttons(), this.#walkRow(), this.#vectorRow(), this.#part("said", make("p", { className: "said", role: "status" })));
  }

  #slider(one, i) {
    const name = `axis-${i}`;
    const input = make("input", {
      type: "range", id: name, min: one.low, max: one.high,
      step: this.exact ? rounded((one.high - one.low) / KEY_STEPS) : "any",
      oninput: (event) => { this.movie.playing = false; this.#showPlaying(); this.move(this.#dragged(one, event.target.value)); },
      onchange: (event) => this.#release(one, event.target.value),
      onkeydown: (event) => this.#key(event, one),
    });
    const output = make("output", { htmlFor: name });
    this.inputs.push(input);
    this.outputs.push(output);
    return make("div", { className: "axis" }, make("label", { htmlFor: name }, make("span", { className: "number" }, `${i + 1}`), one.label || "no word for it"), output, input);
  }

  #buttons() {
    return make("div", { className: "row" },
      make("button", { type: "button", title: "Key 0", onclick: () => this.reset() }, "Reset"),
      make("button", { type: "button", title: "Key r", onclick: () => this.random() }, "Random"),
      this.#part("undo", make("button", { type: "button", title: "Key u", disabled: true, onclick: () => this.undo() }, "Undo")));
  }

  #walkRow() {
    const speeds = [0.25, 0.5, 1, 2].map((speed) => make("option", { value: speed, selected: speed === 1 }, `${speed}×`));
    return make("div", { className: "row", role: "group", "aria-label": "Random walk" },
      this.#part("play", make("button", { type: "button", title: "Random walk (key p)", "aria-pressed": "false", onclick: () => (this.movie.playing ? this.pause() : this.play()) }, "Play")),
      make("button", { type: "button", title: "Key ,", "aria-label": "One frame back", onclick: () => this.step(-1) }, "‹"),
      make("button", { type: "button", title: "Key .", "aria-label": "One frame on", onclick: () => this.step(1) }, "›"),
      make("label", {}, "Speed", make("select", { onchange: (event) => { this.movie.speed = Number(event.target.value); } }, ...speeds)),
      make("label", {}, "Seed", this.#part("seed", make("input", { className: "seed", type: "number", min: 0, step: 1, value: this.seed, onchange: (event) => this.#reseed(event.target.value) }))),
      this.exact ? this.#part("save", make("a", { className: "save", href: this.exact.movie(this.seed), download: "walk.mp4" }, "Save as MP4")) : null);
  }

  #vectorRow() {
    const field = this.#part("vector", make("textarea", { className: "vector", rows: 3, readOnly: true, "aria-label": "Latent vector and seed" }));
    return make("div", { className: "row" }, field, make("button", { type: "button", onclick: async () => this.#say(await copied(field)) }, "Copy"));
  }
}

customElements.define("foveal-sliders", FovealSliders);
