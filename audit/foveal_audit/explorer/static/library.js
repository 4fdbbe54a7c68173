// A grid of any number of entries: only what is seen, and a little around it, is ever fetched and drawn.
import { get, make, say, typing } from "./ask.js";
import { fill, picture } from "./tiles.js";

const [TILE, BLOCK, TOGETHER, AROUND, AT_ONCE, KEPT, PAUSE, LARGEST] = [116, 24, 4, 3, 2, 120, 150, 4e6];
const grid = document.getElementById("grid");
const sheet = document.getElementById("sheet");
const detail = document.getElementById("detail");
const filters = document.getElementById("filters");
const smooth = document.getElementById("smooth");
const [low, high] = [document.getElementById("window-low"), document.getElementById("window-high")];
const blocks = new Map(); // number of a block: its entries, or the promise of them
const drawn = new Map(); // place of an entry: its tile
let [total, chosen, version, frame, busy, wishes, later, place, jumped] = [0, 0, 0, 0, 0, [], 0, 0, -1e9];

const columns = () => Math.max(1, Math.floor(sheet.clientWidth / TILE));
const rows = () => Math.ceil(total / columns());

// Past some millions of pixels browsers lose count, so that far down a scroll goes further than it looks.
const stretch = () => Math.max(1, (rows() * TILE - grid.clientHeight) / Math.max(1, sheet.offsetHeight - grid.clientHeight));
const firstRow = () => Math.floor((grid.scrollTop * stretch()) / TILE);
const seenRows = () => Math.ceil(grid.clientHeight / TILE) + 1;

function wanted() {
  const given = Object.fromEntries([...new FormData(filters)].filter(([, value]) => value !== ""));
  const span = Number(low.value) > 0 || Number(high.value) < 100 ? `${low.value / 100},${high.value / 100}` : "";
  return span ? { ...given, span } : given;
}

function block(number) {
  if (!blocks.has(number)) ask(number, 1);
  return blocks.get(number);
}

// Ask for blocks that follow each other, all in one: what a screen holds comes together.
function ask(first, many) {
  const now = version;
  const numbers = [...Array(many).keys()].map((at) => first + at);
  busy += 1;
  const asked = get("/api/entries", { ...wanted(), start: first * BLOCK, count: many * BLOCK }).then((told) => {
    if (now !== version) return;
    numbers.forEach((number, at) => keep(number, told.entries.slice(at * BLOCK, (at + 1) * BLOCK)));
    if (told.total !== total) resize(told.total);
    draw();
  });
  for (const number of numbers) blocks.set(number, asked);
  asked.catch((fault) => {
    if (now !== version) return;
    for (const number of numbers) blocks.delete(number);
    say(fault.message);
  }).finally(() => { busy -= 1; work(); });
}

// What lies behind the end is forgotten: there may be something when the library has grown.
function keep(number, entries) {
  if (entries.length || !number) blocks.set(number, entries);
  else blocks.delete(number);
}

// Ask for blocks in this order, few at a time; what was wished for and is not seen any more is forgotten.
function wish(numbers) {
  wishes = numbers.filter((number) => number >= 0 && (!number || number * BLOCK < total) && !blocks.has(number));
  work();
}

function work() {
  while (busy < AT_ONCE && wishes.length) {
    const first = wishes.shift();
    let many = 1;
    while (many < TOGETHER && wishes[0] === first + many) many += wishes.splice(0, 1).length;
    ask(first, many);
  }
}

function resize(count) {
  total = count;
  sheet.style.height = `${Math.min(LARGEST, rows() * TILE)}px`;
  document.getElementById("count").textContent = `${total.toLocaleString()} entries`;
}

function draw() {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(() => {
    const across = columns();
    const [first, last] = [firstRow() * across, Math.min(total, (firstRow() + seenRows()) * across) - 1];
    for (const [place, tile] of drawn) if (place < first || place > last) { tile.remove(); drawn.delete(place); }
    for (let place = first; place <= last; place += 1) put(place, across);
    look(Math.floor(first / BLOCK), Math.floor(Math.max(first, last) / BLOCK));
  });
}

// What is seen comes first, then what is next to it: after a jump only where somebody stays. Blocks far away are
// forgotten.
function look(low, high) {
  const [seen, near] = [[], []];
  for (let n = low; n <= high; n += 1) seen.push(n);
  for (let n = 1; n <= AROUND; n += 1) near.push(high + n, low - n);
  if (Math.abs(low - place) > AROUND) jumped = performance.now();
  place = low;
  const stays = performance.now() - jumped > PAUSE;
  wish(stays ? [...seen, ...near] : seen);
  clearTimeout(later);
  if (!stays) later = setTimeout(draw, PAUSE);
  if (blocks.size > KEPT) for (const number of blocks.keys()) if (Math.abs(number - low) > KEPT / 2) blocks.delete(number);
}

function put(place, across) {
  const known = blocks.get(Math.floor(place / BLOCK));
  const entry = Array.isArray(known) ? known[place % BLOCK] : null;
  const old = drawn.get(place);
  if (old && (old.dataset.filled || !entry)) return move(old, place, across);
  old?.remove();
  const tile = make("div", { className: "cell", role: "option", id: `cell-${place}`, "aria-setsize": total, "aria-posinset": place + 1, "aria-selected": String(place === chosen), onclick: () => { choose(place); open(place); } });
  if (entry) tile.append(picture(entry), make("span", { className: "cell-text" }, `${entry.activation?.toPrecision(3) ?? "–"} ${entry.source}`));
  else tile.setAttribute("aria-label", "loading");
  if (entry) tile.dataset.filled = "yes";
  drawn.set(place, tile);
  sheet.append(tile);
  return move(tile, place, across);
}

function move(tile, place, across) {
  const top = Math.floor(place / across) * TILE - grid.scrollTop * (stretch() - 1);
  tile.style.transform = `translate(${(place % across) * TILE}px, ${top}px)`;
}

function choose(place) {
  chosen = Math.min(total - 1, Math.max(0, place));
  for (const [at, tile] of drawn) tile.setAttribute("aria-selected", String(at === chosen));
  grid.setAttribute("aria-activedescendant", `cell-${chosen}`);
  const row = Math.floor(chosen / columns());
  if (row < firstRow() + 1) grid.scrollTop = Math.floor((row * TILE) / stretch());
  else if (row >= firstRow() + seenRows() - 2) grid.scrollTop = Math.ceil(((row + 1) * TILE - grid.clientHeight) / stretch()) + 1;
}

async function entryAt(place) {
  await block(Math.floor(place / BLOCK));
  return blocks.get(Math.floor(place / BLOCK))?.[place % BLOCK];
}

async function open(place) {
  const entry = await entryAt(place);
  if (!entry) return;
  const facts = { feature: entry.feature, sample: entry.sample, source: entry.source, label: entry.label, predicted: entry.predicted, activation: entry.activation, threshold: entry.threshold, "share of the evidence": entry.share, window: entry.window.join(", "), place: entry.place ?? null, method: `${entry.method} at ${entry.layer}`, time: entry.time, ...entry.metadata, entry: entry.id };
  const list = make("dl", { className: "list" }, ...Object.entries(facts).filter(([, value]) => value !== null && value !== "").map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, String(value)))));
  const why = make("a", { className: "button", href: `/why?${new URLSearchParams({ request: entry.sample })}` }, "Why this decision");
  const alike = make("button", { type: "button", onclick: () => similar(entry) }, "Similar entries (s)");
  detail.replaceChildren(make("h2", { className: "quiet" }, entry.sample), make("div", { className: "large" }, picture(entry)), make("p", { className: "row" }, alike, why), list, make("div", { className: "tiles", role: "list", "aria-label": "Similar entries" }));
}

async function similar(entry) {
  try {
    fill(detail.querySelector(".tiles"), (await get("/api/similar", { id: entry.id, k: 12, feature: filters.feature.value })).entries);
  } catch (fault) {
    say(fault.message);
  }
}

const MOVES = { ArrowRight: () => 1, ArrowLeft: () => -1, ArrowDown: columns, ArrowUp: () => -columns(), PageDown: () => columns() * (seenRows() - 2), PageUp: () => -columns() * (seenRows() - 2), Home: () => -total, End: () => total };

grid.addEventListener("keydown", (event) => {
  if (!MOVES[event.key] || typing(event)) return;
  event.preventDefault();
  choose(chosen + MOVES[event.key]());
});
document.addEventListener("keydown", async (event) => {
  if (typing(event) || document.querySelector("dialog[open]")) return;
  if (event.key === "j" || event.key === "k") choose(chosen + (event.key === "j" ? 1 : -1));
  else if (event.key === "Enter" && event.target === grid) await open(chosen);
  else if (event.key === "s") { await open(chosen); const entry = await entryAt(chosen); if (entry) await similar(entry); }
});

function anew() {
  version += 1;
  blocks.clear();
  for (const tile of drawn.values()) tile.remove();
  drawn.clear();
  grid.scrollTop = 0;
  chosen = 0;
  const given = new URLSearchParams(wanted());
  history.replaceState(null, "", `?${given}${location.hash}`);
  ask(0, TOGETHER);
}

for (const [name, value] of new URLSearchParams(location.search)) if (filters.elements[name]) filters.elements[name].value = value;
filters.addEventListener("change", anew);
filters.addEventListener("submit", (event) => { event.preventDefault(); anew(); });
for (const input of [low, high]) input.addEventListener("change", () => { if (Number(low.value) < Number(high.value)) anew(); });
smooth.addEventListener("change", () => { document.documentElement.dataset.smooth = smooth.checked ? "yes" : "no"; });
grid.addEventListener("scroll", draw, { passive: true });
new ResizeObserver(() => { resize(total); draw(); }).observe(grid);
ask(0, TOGETHER);
