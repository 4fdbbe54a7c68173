// <foveal-grid src="/entries">: all entries of a library, of which only those in view are on the page.
//
// It asks  SRC?offset=0&limit=128  for {"total": n, "entries": [{"id", "label"}]} and, at the same time,
// SRC/sprite?offset=0&limit=128&view=crop|map|overlay&side=64  for one picture of those entries, 16 in a row.
// Further settings in SRC (filters) are kept. Key o changes the view, arrows move, Enter tells the page
// ("foveal-entry" with {index, entry}).

const PAGE = 128;
const PER_ROW = 16; // of a sprite
const VIEWS = ["crop", "map", "overlay"];
const AHEAD = 4; // rows drawn above and below what is seen
const MOST_PAGES = 60; // kept
const FRAME = 6; // a cell's border, both sides

class Pages {
  constructor(source, side, onpage) {
    [this.source, this.side, this.onpage] = [source, side, onpage];
    this.kept = new Map();
    this.view = VIEWS[0];
    this.queue = [];
    this.busy = 0;
  }

  address(path, settings) {
    const whole = new URL(this.source, document.baseURI);
    whole.pathname += path;
    for (const [name, value] of Object.entries(settings)) whole.searchParams.set(name, value);
    return whole.href;
  }

  // The page with a number, if it is there already; else it is fetched, the newest wish first.
  get(number) {
    const key = `${this.view} ${number}`;
    const page = this.kept.get(key);
    if (page) {
      this.kept.delete(key); // the longest unused goes first
      this.kept.set(key, page);
      return page.entries ? page : null;
    }
    this.queue = [...this.queue.filter((one) => one !== number), number];
    queueMicrotask(() => this.#work());
    return null;
  }

  // Forget wishes for pages that nobody looks at any more.
  want(numbers) {
    this.queue = this.queue.filter((one) => numbers.includes(one));
  }

  #work() {
    while (this.busy < 2 && this.queue.length) this.#fetch(this.queue.pop());
  }

  async #fetch(number) {
    const key = `${this.view} ${number}`;
    if (this.kept.has(key)) return;
    this.kept.set(key, {});
    this.busy++;
    try {
      const settings = { offset: number * PAGE, limit: PAGE };
      const picture = new Image();
      picture.src = this.address("/sprite", { ...settings, view: this.view, side: this.side });
      const [response] = await Promise.all([fetch(this.address("", settings)), picture.decode()]);
      if (!response.ok) throw new Error(`The server answered ${response.status}`);
      this.kept.set(key, { ...(await response.json()), sprite: `url("${picture.src}")`, picture });
      while (this.kept.size > MOST_PAGES) this.kept.delete(this.kept.keys().next().value);
      this.onpage(number);
    } catch (fault) {
      this.kept.delete(key);
      this.onpage(number, fault);
    }
    this.busy--;
    this.#work();
  }
}

class FovealGrid extends HTMLElement {
  connectedCallback() {
    if (this.shadowRoot) return;
    this.side = Number(this.getAttribute("side")) || 64;
    const root = this.attachShadow({ mode: "open" });
    styled(root, STYLE);
    this.all = make("div", { className: "all", role: "presentation" });
    this.port = make("div", { className: "view", role: "listbox", tabIndex: 0, "aria-label": this.getAttribute("label") || "Entries",
      onscroll: () => this.#plan(), onkeydown: (event) => this.#key(event), onclick: (event) => this.#clicked(event) }, this.all);
    this.said = make("p", { className: "said", role: "status" });
    root.append(this.said, this.port);
    [this.cells, this.total, this.chosen] = [[], 0, 0];
    this.pages = new Pages(this.getAttribute("src"), this.side, (number, fault) => this.#arrived(number, fault));
    new ResizeObserver(() => this.#plan()).observe(this.port);
    this.pages.get(0);
  }

  get columns() {
    return Math.max(1, Math.floor(this.port.clientWidth / (this.side + FRAME)));
  }

  #arrived(number, fault) {
    if (fault) {
      this.said.textContent = `${fault.message}. Scroll to try again.`;
      return;
    }
    const page = this.pages.get(number);
    if (page) this.total = page.total;
    this.#draw();
  }

  // Many events of one frame make one drawing.
  #plan() {
    this.planned ||= requestAnimationFrame(() => {
      this.planned = null;
      this.#draw();
    });
  }

  #draw() {
    const [columns, size] = [this.columns, this.side + FRAME];
    this.all.style.height = `${Math.ceil(this.total / columns) * size}px`;
    const first = Math.max(0, Math.floor(this.port.scrollTop / size) - AHEAD) * columns;
    const rows = Math.ceil(this.port.clientHeight / size) + 2 * AHEAD + 1;
    const last = Math.min(this.total, first + rows * columns);
    this.#wish(first, last);
    const needed = Math.max(0, last - first);
    while (this.cells.length < needed) this.cells.push(this.all.appendChild(make("div", { role: "option" })));
    while (this.cells.length > needed) this.cells.pop().remove();
    for (let index = first; index < last; index++) this.#fill(this.cells[index % needed], index, columns, size);
    this.#mark();
    this.said.textContent = `${this.total.toLocaleString("en")} entries, ${this.pages.view}s shown (key o changes that)`;
  }

  // Ask for the pages in view, and last for those next to it: the newest wish is served first.
  #wish(first, last) {
    const [low, high] = [Math.floor(first / PAGE), Math.floor(Math.max(first, last - 1) / PAGE)];
    const most = Math.ceil(this.total / PAGE) - 1;
    const wanted = [high + 1, low - 1];
    for (let page = high; page >= low; page--) wanted.push(page);
    const there = wanted.filter((page) => page >= 0 && page <= most);
    this.pages.want(there);
    for (const page of there) this.pages.get(page);
  }

  #fill(cell, index, columns, size) {
    const page = this.pages.get(Math.floor(index / PAGE));
    const place = index % PAGE;
    const entry = page?.entries[place];
    cell.index = index;
    cell.id = `entry-${index}`;
    cell.className = entry ? "cell" : "cell blank";
    cell.setAttribute("aria-setsize", this.total);
    cell.setAttribute("aria-posinset", index + 1);
    cell.setAttribute("aria-label", entry ? entry.label : "being fetched");
    Object.assign(cell.style, { width: `${size}px`, height: `${size}px`,
      transform: `translate(${(index % columns) * size}px, ${Math.floor(index / columns) * size}px)`,
      backgroundImage: page ? page.sprite : "none",
      backgroundPosition: `${-(place % PER_ROW) * this.side}px ${-Math.floor(place / PER_ROW) * this.side}px` });
  }

  #mark() {
    for (const cell of this.cells) cell.setAttribute("aria-selected", cell.index === this.chosen);
    this.port.setAttribute("aria-activedescendant", `entry-${this.chosen}`);
  }

  #key(event) {
    const [columns, page] = [this.columns, Math.max(1, Math.floor(this.port.clientHeight / (this.side + FRAME)))];
    const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: page * columns, PageUp: -page * columns, Home: -Infinity, End: Infinity };
    if (event.key === "o") this.setView(VIEWS[(VIEWS.indexOf(this.pages.view) + 1) % VIEWS.length]);
    else if (event.key === "Enter") this.#tell();
    else if (event.key in moves) this.#choose(this.chosen + moves[event.key]);
    else return;
    event.preventDefault();
  }

  // Show crops, maps or maps over crops.
  setView(view) {
    this.pages.view = view;
    this.#draw();
  }

  #clicked(event) {
    const cell = event.target.closest(".cell");
    if (!cell) return;
    this.#choose(cell.index);
    this.#tell();
  }

  #choose(index) {
    this.chosen = Math.max(0, Math.min(this.total - 1, index));
    const size = this.side + FRAME;
    const top = Math.floor(this.chosen / this.columns) * size;
    const { scrollTop, clientHeight } = this.port;
    if (top < scrollTop) this.port.scrollTop = top;
    else if (top + size > scrollTop + clientHeight) this.port.scrollTop = top + size - clientHeight;
    this.#draw();
  }

  #tell() {
    const entry = this.pages.get(Math.floor(this.chosen / PAGE))?.entries[this.chosen % PAGE];
    if (!entry) return;
    this.dispatchEvent(new CustomEvent("foveal-entry", { detail: { index: this.chosen, entry }, bubbles: true, composed: true }));
  }
}

customElements.define("foveal-grid", FovealGrid);
