// Pictures of entries: the crop, and its map as layers over it; how they are shown is the page's, not theirs.
import { get, make, typing } from "./ask.js";

const MODES = ["overlay", "crop", "map"];
const root = document.documentElement;

export function picture(entry) {
  const alt = `Crop of ${entry.sample}, ${entry.source}, activation ${entry.activation === null ? "unknown" : entry.activation.toPrecision(3)}`;
  const box = make("span", { className: "photo-box" });
  if (!entry.crop) {
    box.append(make("span", { className: "no-picture" }, "no picture"));
    return box;
  }
  box.append(make("img", { className: "photo", src: entry.crop, alt, draggable: false }));
  for (const [name, source] of [["layer", entry.map], ["outline", entry.outline]]) if (source) box.append(make("img", { className: name, src: source, alt: "", draggable: false }));
  return box;
}

// Fill a list with entries, each a link to why its sample was answered as it was.
export function fill(list, entries) {
  list.replaceChildren(...entries.map((entry) => make("div", { role: "listitem", className: "tile" },
    make("a", { href: `/why?${new URLSearchParams({ request: entry.sample })}`, title: entry.sample }, picture(entry)),
    make("span", { className: "soft" }, entry.distance === undefined ? `${entry.source} ${entry.activation?.toPrecision(3)}` : `distance ${entry.distance.toFixed(3)}`),
    ...(entry.place ? [make("span", { className: "soft place" }, entry.place)] : []))));
}

export async function fillByIds(within = document) {
  for (const list of within.querySelectorAll(".tiles[data-ids]")) {
    const ids = list.dataset.ids.split(",");
    const { entries } = await get("/api/chosen", { ids });
    fill(list, entries);
  }
  told(); // what came later is shown as all else is
}

export function showMode(mode) {
  root.dataset.mode = mode;
  for (const word of document.querySelectorAll(".mode span")) word.textContent = mode;
}

export function showOpacity(percent) {
  const value = Math.min(100, Math.max(0, percent));
  root.style.setProperty("--map", value / 100);
  root.dataset.opacity = value;
  for (const input of document.querySelectorAll("input.opacity")) input.value = value;
}

export function showOutline(shown) {
  root.dataset.outline = shown ? "yes" : "no";
  for (const input of document.querySelectorAll("input.contour")) input.checked = shown;
}

const opacity = () => Number(root.dataset.opacity || 70);
export const nextMode = () => showMode(MODES[(MODES.indexOf(root.dataset.mode) + 1) % MODES.length]);

const KEYS = {
  o: nextMode,
  c: () => showOutline(root.dataset.outline !== "yes"),
  h: () => { root.dataset.held = "yes"; },
  "[": () => showOpacity(opacity() - 10),
  "]": () => showOpacity(opacity() + 10),
};

document.addEventListener("keydown", (event) => {
  if (typing(event) || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
document.addEventListener("keyup", (event) => { if (event.key === "h") delete root.dataset.held; });
addEventListener("blur", () => { delete root.dataset.held; });
document.addEventListener("click", (event) => { if (event.target.closest(".mode")) nextMode(); });
document.addEventListener("input", (event) => { if (event.target.matches("input.opacity")) showOpacity(Number(event.target.value)); });
document.addEventListener("change", (event) => { if (event.target.matches("input.contour")) showOutline(event.target.checked); });

function told() {
  showMode(root.dataset.mode || MODES[0]);
  showOpacity(opacity());
  showOutline(root.dataset.outline !== "no");
}
told();
