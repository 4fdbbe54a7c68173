// What all pages share: the reader's name, the list of keys.
import { typing } from "./ask.js";
import "./waiting.js";

const KEPT = "foveal-reader";
const field = document.getElementById("reader");

export function reader() {
  const name = field.value.trim();
  if (!name) {
    field.focus();
    throw new Error("Say who you are first: your name is kept with your verdict.");
  }
  return name;
}

field.value = localStorage.getItem(KEPT) || "";
field.addEventListener("change", () => {
  localStorage.setItem(KEPT, field.value.trim());
  document.dispatchEvent(new Event("reader"));
});

const help = document.getElementById("help");
const toggle = () => (help.open ? help.close() : help.showModal());
document.getElementById("help-button").addEventListener("click", toggle);
document.addEventListener("keydown", (event) => {
  if (event.key === "?" && !typing(event)) {
    event.preventDefault();
    toggle();
  }
});
