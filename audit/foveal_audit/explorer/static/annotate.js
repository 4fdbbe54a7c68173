// What experts say about one subject: verdict, words, note; each press is an event that is kept.
import { get, make, post, say, typing } from "./ask.js";
import { reader } from "./shell.js";

const FIELDS = ["name", "code", "confidence", "second_reader", "note"];
const current = () => document.querySelector(".annotate");

// Show what is thought of a subject, and in the fields what this reader said last.
export function show(section, standing) {
  section.querySelector(".standing-now").replaceChildren(...drawn(standing));
  for (const item of document.querySelectorAll(".queue li")) {
    if (item.dataset.id !== section.dataset.subject) continue;
    mark(item, standing);
  }
  mine(section, standing);
}

// Let an item of the queue show what is thought of it.
export function mark(item, standing) {
  item.querySelector(".standing-now").replaceChildren(...drawn(standing));
  item.dataset.settled = standing?.verdict && !standing.awaited.length ? "yes" : "no";
  item.dataset.assigned = standing?.assigned || "";
}

function mine(section, standing) {
  const who = document.getElementById("reader").value.trim();
  const own = standing?.opinions.find((one) => one.who === who) || {};
  for (const button of section.querySelectorAll("[data-verdict]")) button.setAttribute("aria-pressed", Boolean(own.verdict) && button.dataset.verdict === own.verdict);
  for (const name of FIELDS) section.querySelector(`[name=${name}]`).value = shown(name, own[name]);
}

const shown = (name, value) => (value === undefined || value === null ? "" : name === "confidence" ? Math.round(100 * value) : value);

function drawn(standing) {
  if (!standing) return [make("span", { className: "soft" }, "nobody yet")];
  const parts = standing.disagreement ? [make("b", { className: "disagree" }, "readers disagree"), " "] : [];
  for (const one of standing.opinions) parts.push(...opinion(one), " ");
  if (standing.opened) parts.push(make("b", { className: "opened" }, `opened again by ${standing.opened}`), " ");
  for (const one of standing.earlier) parts.push(make("span", { className: "aside" }, ...opinion(one)), " ");
  if (standing.name) parts.push(make("q", {}, standing.name), " ");
  if (standing.assigned) parts.push(make("span", { className: "soft" }, `assigned to ${standing.assigned}`), " ");
  const asked = standing.awaited.filter((who) => who !== standing.assigned);
  if (asked.length) parts.push(make("span", { className: "soft" }, `awaits ${asked.join(", ")}`));
  return parts;
}

const opinion = (one) => [make("span", { className: `saying ${one.verdict || "none"}` }, one.verdict || "no verdict"), " ", make("bdi", { className: "soft" }, one.who)];

async function kept(work, done) {
  try {
    await work();
    say(done);
  } catch (fault) {
    say(fault.message);
  }
}

export function verdict(section, word) {
  return kept(async () => {
    const { standing } = await post("/api/annotations", { who: reader(), subject: section.dataset.subject, verdict: word });
    show(section, standing);
  }, word ? `Kept: ${word}` : "Kept: no verdict");
}

function save(section) {
  return kept(async () => {
    const said = { who: reader(), subject: section.dataset.subject };
    for (const name of FIELDS) said[name] = section.querySelector(`[name=${name}]`).value;
    said.confidence = said.confidence === "" ? null : Number(said.confidence) / 100;
    const { standing } = await post("/api/annotations", said);
    show(section, standing);
  }, "Kept");
}

export function undo() {
  return kept(async () => {
    const { subject, standing } = await post("/api/undo", { who: reader() });
    const section = current();
    if (section && section.dataset.subject === subject) show(section, standing);
    else document.dispatchEvent(new CustomEvent("said", { detail: { subject, standing, drawn: drawn(standing) } }));
  }, "Taken back");
}

// Share out the work: who is to read the finding, or that it is to be read again.
function share(section, path, more, done) {
  return kept(async () => {
    const subject = section.dataset.subject;
    const { standings } = await post(path, { who: reader(), subjects: [subject], ...more });
    show(section, standings[subject]);
  }, done);
}

function assign(section) {
  const name = section.querySelector(".assignee").value.trim();
  return share(section, "/api/assign", { reader: name }, name ? `Assigned to ${name}` : "Assigned to nobody");
}

const reopen = (section) => share(section, "/api/reopen", {}, "Opened again");

export async function begin(section = current()) {
  if (!section) return;
  const { standing } = await get("/api/annotations", { subject: section.dataset.subject });
  show(section, standing);
}

document.addEventListener("click", (event) => {
  const section = event.target.closest(".annotate");
  if (!section) return;
  const button = event.target.closest("button");
  if (button?.dataset.verdict !== undefined) verdict(section, button.dataset.verdict);
  else if (button?.classList.contains("save")) save(section);
  else if (button?.classList.contains("undo")) undo();
  else if (button?.classList.contains("assign")) assign(section);
  else if (button?.classList.contains("reopen")) reopen(section);
});

document.addEventListener("keydown", (event) => {
  const section = current();
  if (event.key === "Escape" && event.target.closest?.(".annotate")) event.target.blur();
  if (!section || typing(event) || document.querySelector("dialog[open]")) return;
  const button = /^[1-5]$/.test(event.key) ? section.querySelectorAll("[data-verdict]")[Number(event.key) - 1] : null;
  if (button) verdict(section, button.dataset.verdict);
  else if (event.key === "a" && section.querySelector(".assignee")) section.querySelector(".assignee").focus();
  else if (event.key === "r" && section.querySelector(".reopen")) reopen(section);
  else if (event.key === "n") section.querySelector("[name=note]").focus();
  else if (event.key === "u" && !event.composedPath().some((one) => one.localName === "foveal-sliders")) undo();
  else return;
  event.preventDefault();
});
document.addEventListener("reader", () => begin());
begin();
