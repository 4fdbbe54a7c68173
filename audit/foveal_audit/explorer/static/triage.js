// The queue: j and k move, the panel shows the case that is chosen.
import { begin } from "./annotate.js";
import { say, typing } from "./ask.js";
import { fillByIds } from "./tiles.js";

const queue = document.getElementById("queue");
const panel = document.getElementById("panel");
const only = document.getElementById("open-only");
const mine = document.getElementById("mine-only");
let asked = 0;

const items = () => [...queue.children].filter((item) => !item.hidden);
const chosen = () => queue.querySelector("[aria-current]")?.closest("li");

async function choose(item) {
  if (!item) return;
  for (const link of queue.querySelectorAll("[aria-current]")) link.removeAttribute("aria-current");
  item.querySelector("a").setAttribute("aria-current", "true");
  item.scrollIntoView({ block: "nearest" });
  history.replaceState(null, "", `#${item.dataset.id}`);
  const number = ++asked;
  try {
    const response = await fetch(`/finding/${encodeURIComponent(item.dataset.id)}/panel`);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (number !== asked) return; // the reader has moved on
    panel.replaceChildren(...page.body.children);
    panel.scrollTop = 0;
    await Promise.all([begin(panel.querySelector(".annotate")), fillByIds(panel)]);
    panel.dataset.shown = item.dataset.id;
  } catch (fault) {
    say(fault.message);
  }
}

function move(step) {
  const all = items();
  const at = all.indexOf(chosen());
  choose(all[Math.min(all.length - 1, Math.max(0, at + step))]);
}

function sift() {
  const who = document.getElementById("reader").value.trim();
  for (const item of queue.children) item.hidden = (only.checked && item.dataset.settled === "yes") || (mine.checked && item.dataset.assigned !== who);
  document.dispatchEvent(new Event("sifted"));
}

if (queue) {
  document.addEventListener("keydown", (event) => {
    if (typing(event) || document.querySelector("dialog[open]") || !["j", "k"].includes(event.key)) return;
    event.preventDefault();
    move(event.key === "j" ? 1 : -1);
  });
  queue.addEventListener("click", (event) => {
    const item = event.target.closest("li");
    if (!item || event.target.matches(".choose") || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choose(item);
  });
  only.addEventListener("change", sift);
  mine.addEventListener("change", sift);
  document.addEventListener("said", (event) => {
    const item = [...queue.children].find((one) => one.dataset.id === event.detail.subject);
    item?.querySelector(".standing-now").replaceChildren(...event.detail.drawn);
  });
  const wanted = decodeURIComponent(location.hash.slice(1));
  choose([...queue.children].find((item) => item.dataset.id === wanted) || queue.children[0]);
}
