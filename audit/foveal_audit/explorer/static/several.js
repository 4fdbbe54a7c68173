// Several findings of the queue at once: one verdict, one reader, or open again; taken back together.
import { mark, show } from "./annotate.js";
import { make, post, say, typing } from "./ask.js";
import { reader } from "./shell.js";

const form = document.getElementById("several");
const queue = document.getElementById("queue");
const field = (name) => form.elements.namedItem(name);
let last = []; // events of the last step

const items = () => [...queue.children].filter((item) => !item.hidden);
const chosen = () => items().filter((item) => item.querySelector(".choose").checked);

function count() {
  const number = chosen().length;
  form.hidden = !number && !last.length;
  document.getElementById("several-count").textContent = `${number} chosen`;
  for (const name of ["decide", "assign", "reopen"]) field(name).disabled = !number;
  field("undo").hidden = !last.length;
}

function choose(holds) {
  for (const item of queue.children) item.querySelector(".choose").checked = !item.hidden && holds;
  count();
}

// Do something with all that are chosen; what the server kept is what is shown.
async function step(path, more, done) {
  try {
    const subjects = chosen().map((item) => item.dataset.id);
    const told = await post(path, { who: reader(), ...(path === "/api/undo-all" ? {} : { subjects }), ...more });
    last = path === "/api/undo-all" ? [] : told.events;
    for (const [subject, standing] of Object.entries(told.standings)) draw(subject, standing);
    choose(false);
    say(`${done}: ${Object.keys(told.standings).length}`);
  } catch (fault) {
    say(fault.message);
  }
}

function draw(subject, standing) {
  const section = document.querySelector(".annotate");
  if (section?.dataset.subject === subject) show(section, standing);
  else mark([...queue.children].find((item) => item.dataset.id === subject), standing);
  known(standing);
}

// Readers who were named once are offered again.
function known(standing) {
  const list = document.getElementById("readers");
  const names = new Set([...list.options].map((one) => one.value));
  for (const name of [standing?.assigned, ...(standing?.opinions || []).map((one) => one.who)]) if (name && !names.has(name)) list.append(make("option", { value: name }));
}

if (form) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const note = field("note").value.trim();
    step("/api/decide", { verdict: field("verdict").value, ...(note ? { note } : {}) }, "Decided");
  });
  field("assign").addEventListener("click", () => step("/api/assign", { reader: field("reader").value.trim() }, "Assigned"));
  field("reopen").addEventListener("click", () => step("/api/reopen", { note: field("note").value.trim() }, "Opened again"));
  field("undo").addEventListener("click", () => step("/api/undo-all", { events: last }, "Taken back"));
  field("all").addEventListener("click", () => choose(true));
  field("none").addEventListener("click", () => choose(false));
  queue.addEventListener("change", count);
  document.addEventListener("sifted", count);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "x" || typing(event) || document.querySelector("dialog[open]")) return;
    const box = queue.querySelector("[aria-current]")?.closest("li").querySelector(".choose");
    if (!box) return;
    box.checked = !box.checked;
    count();
    event.preventDefault();
  });
}
