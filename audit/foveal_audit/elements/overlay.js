// <foveal-overlay>: one crop and its map. It holds <script type="application/json" class="entry">; see
// entry_block in foveal_audit.elements. Keys: o crop, map or both; [ and ] opacity; h held hides the map; c contour.

const MODES = ["crop", "map", "overlay"];
const LONGEST = 384; // pixels along the longer side of the drawing
const CONTOUR = 0.5; // of the strongest evidence
// Cividis (Nunez, Anderton, Renslow 2018), read off at 9 places: the same to colour-blind eyes.
const CIVIDIS = [[0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115], [138, 134, 120], [165, 156, 116], [195, 179, 105], [254, 232, 56]];

const SHADES = Array.from({ length: 256 }, (_, shade) => cividis(shade / 255));

const bytesOf = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));

function cividis(share) {
  const place = Math.min(1, Math.max(0, share)) * (CIVIDIS.length - 1);
  const low = Math.min(Math.floor(place), CIVIDIS.length - 2);
  return CIVIDIS[low].map((value, i) => value + (CIVIDIS[low + 1][i] - value) * (place - low));
}

// A grid of numbers read at any place, smoothly or as it is; share 0 to 1 of each side.
class Field {
  constructor(values, height, width) {
    [this.values, this.height, this.width] = [values, height, width];
    this.strongest = values.reduce((most, value) => Math.max(most, value), 0);
  }

  at(y, x, smooth) {
    if (!smooth) return this.#cell(Math.floor(y * this.height), Math.floor(x * this.width));
    const [row, column] = [y * this.height - 0.5, x * this.width - 0.5];
    const [top, left] = [Math.floor(row), Math.floor(column)];
    const [down, right] = [row - top, column - left];
    return (1 - down) * ((1 - right) * this.#cell(top, left) + right * this.#cell(top, left + 1))
      + down * ((1 - right) * this.#cell(top + 1, left) + right * this.#cell(top + 1, left + 1));
  }

  // Positive evidence at every pixel of a drawing, as shares of the strongest.
  shares(height, width, smooth) {
    const shares = new Float32Array(height * width);
    const scale = this.strongest > 0 ? 1 / this.strongest : 0;
    for (let y = 0, to = 0; y < height; y++) {
      for (let x = 0; x < width; x++) shares[to++] = Math.max(0, this.at((y + 0.5) / height, (x + 0.5) / width, smooth)) * scale;
    }
    return shares;
  }

  #cell(row, column) {
    const y = Math.min(this.height - 1, Math.max(0, row));
    const x = Math.min(this.width - 1, Math.max(0, column));
    return this.values[y * this.width + x];
  }
}

class FovealOverlay extends HTMLElement {
  connectedCallback() {
    if (this.ready) return;
    this.ready = parsed().then(() => this.#start());
  }

  async #start() {
    const source = this.getAttribute("src");
    this.told = source ? await (await fetch(source)).json() : toldIn(this, "script.entry");
    if (!this.told) return;
    const [height, width] = this.told.crop.shape;
    const scale = Math.max(1, Math.floor(LONGEST / Math.max(height, width)));
    [this.height, this.width] = [height * scale, width * scale];
    this.pixels = this.#pixels();
    this.field = new Field(new Float32Array(bytesOf(this.told.map.values).buffer), ...this.told.map.shape);
    this.set = { mode: "overlay", opacity: 0.6, level: 0.5, window: 1, smooth: true, contour: true, hidden: false };
    this.#build();
    this.draw();
  }

  // Grey values or colours as shares of the largest a sample of this depth can hold.
  #pixels() {
    const { values, bits } = this.told.crop;
    const whole = bits > 8 ? new Uint16Array(bytesOf(values).buffer) : bytesOf(values);
    return Float32Array.from(whole, (value) => value / (2 ** bits - 1));
  }

  // The crop through the window, 3 values a pixel: what is below it is black, what is above it white.
  #windowed() {
    const [height, width, channels] = this.told.crop.shape;
    const { level, window } = this.set;
    const shown = new Uint8ClampedArray(height * width * 3); // clamps, and rounds as a canvas does
    for (let pixel = 0; pixel < height * width; pixel++) {
      for (let i = 0; i < 3; i++) {
        const value = this.pixels[pixel * channels + (channels >= 3 ? i : 0)];
        shown[pixel * 3 + i] = 255 * ((value - level) / window + 0.5);
      }
    }
    return shown;
  }

  // Evidence at every pixel of the drawing, kept until smoothness changes.
  #shares() {
    const { smooth } = this.set;
    if (this.kept?.smooth !== smooth) this.kept = { smooth, shares: this.field.shares(this.height, this.width, smooth) };
    return this.kept.shares;
  }

  draw() {
    const { mode, hidden, opacity, contour } = this.set;
    const shows = hidden ? "crop" : mode;
    const [shares, crop] = [this.#shares(), this.#windowed()];
    const width = this.told.crop.shape[1];
    const scale = this.width / width;
    const { data } = this.image;
    for (let y = 0, place = 0; y < this.height; y++) {
      const row = Math.floor(y / scale) * width;
      for (let x = 0; x < this.width; x++, place++) {
        const heat = shows === "map" ? 1 : shows === "overlay" ? opacity * shares[place] : 0;
        const shade = SHADES[Math.round(shares[place] * 255)];
        const from = (row + Math.floor(x / scale)) * 3;
        for (let i = 0; i < 3; i++) data[place * 4 + i] = crop[from + i] + (shade[i] - crop[from + i]) * heat;
        data[place * 4 + 3] = 255;
      }
    }
    if (contour && shows !== "crop") this.#outline(this.image, shares);
    this.brush.putImageData(this.image, 0, 0);
    this.#label(shows);
  }

  // A white line with a dark one beside it round half of the strongest evidence: seen on any ground.
  #outline(image, shares) {
    const inside = (y, x) => shares[Math.min(this.height - 1, Math.max(0, y)) * this.width + Math.min(this.width - 1, Math.max(0, x))] >= CONTOUR;
    for (let y = 0; y < this.height; y++) {
      for (let x = 0; x < this.width; x++) {
        const here = inside(y, x);
        if (here === inside(y, x + 1) && here === inside(y, x - 1) && here === inside(y + 1, x) && here === inside(y - 1, x)) continue;
        image.data.fill(here ? 255 : 20, (y * this.width + x) * 4, (y * this.width + x) * 4 + 3);
      }
    }
  }

  #label(shows) {
    const what = { crop: "crop", map: "map of the evidence", overlay: "crop with the evidence over it" }[shows];
    this.parts.canvas.setAttribute("aria-label", `${what}: ${this.told.label || "an entry"}`);
  }

  change(name, value) {
    this.set[name] = value;
    const part = this.parts[name];
    if (part) part[part.type === "checkbox" ? "checked" : "value"] = value;
    this.draw();
  }

  #key(event) {
    const { mode, opacity, contour } = this.set;
    const does = {
      o: () => this.change("mode", MODES[(MODES.indexOf(mode) + 1) % MODES.length]),
      "[": () => this.change("opacity", Math.max(0, opacity - 0.1)),
      "]": () => this.change("opacity", Math.min(1, opacity + 0.1)),
      c: () => this.change("contour", !contour),
      h: () => this.set.hidden || this.change("hidden", true),
    }[event.key];
    if (!does || event.ctrlKey || event.metaKey || event.composedPath()[0].tagName === "SELECT") return;
    event.preventDefault();
    does();
  }

  #build() {
    const root = this.attachShadow({ mode: "open" });
    styled(root, STYLE);
    const canvas = make("canvas", { width: this.width, height: this.height, role: "img" });
    this.parts = { canvas };
    this.brush = canvas.getContext("2d");
    this.image = this.brush.createImageData(this.width, this.height);
    root.append(make("div", { onkeydown: (event) => this.#key(event), onkeyup: (event) => event.key === "h" && this.change("hidden", false), onfocusout: () => this.set.hidden && this.change("hidden", false) },
      make("div", { className: "picture", tabIndex: 0, role: "group", "aria-label": "Crop and map. o changes what is shown, h held hides the map, [ and ] change its opacity, c the outline" }, canvas),
      this.#controls(), this.#scale()));
  }

  #controls() {
    const modes = MODES.map((mode) => make("option", { value: mode }, mode));
    const choice = make("select", { onchange: (event) => this.change("mode", event.target.value) }, ...modes);
    choice.value = this.set.mode;
    this.parts.mode = choice;
    return make("div", { className: "row" },
      make("label", {}, "Show", choice), this.#range("opacity", "Opacity", 0, 1), this.#range("level", "Level", 0, 1),
      this.#range("window", "Window", 0.01, 1), this.#switch("contour", "Outline"), this.#switch("smooth", "Smooth"));
  }

  #range(name, title, min, max) {
    const input = make("input", { type: "range", min, max, step: 0.01, oninput: (event) => this.change(name, Number(event.target.value)) });
    input.value = this.set[name];
    this.parts[name] = input;
    return make("label", {}, title, input);
  }

  #switch(name, title) {
    const input = make("input", { type: "checkbox", checked: this.set[name], onchange: (event) => this.change(name, event.target.checked) });
    this.parts[name] = input;
    return make("label", {}, input, title);
  }

  #scale() {
    const bar = make("canvas", { width: 120, height: 1, "aria-hidden": "true" });
    const brush = bar.getContext("2d");
    const image = brush.createImageData(120, 1);
    for (let x = 0; x < 120; x++) image.data.set([...cividis(x / 119), 255], x * 4);
    brush.putImageData(image, 0, 0);
    return make("p", { className: "scale" }, "0", bar, `${this.field.strongest.toPrecision(3)}, outline at half`);
  }
}

customElements.define("foveal-overlay", FovealOverlay);
