// Asking our own server; a fault is said on the page.

export function say(text) {
  const place = document.getElementById("said");
  place.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { place.textContent = ""; }, 6000);
}

async function answered(response) {
  const told = await response.json().catch(() => ({ fault: `The server answered ${response.status}`, mend: "Look into its terminal" }));
  if (!response.ok) throw new Error(told.fault ? `${told.fault}. ${told.mend}.` : "The server did not understand that.");
  return told;
}

export async function get(path, parameters = {}, signal = undefined) {
  return answered(await fetch(`${path}?${new URLSearchParams(parameters)}`, { signal }));
}

export async function post(path, body) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return answered(await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: text }));
}

// An element with properties, attributes and children; text is always text.
export function make(tag, told = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(told)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list") element[name] = value;
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

// Where a person is typing, letters are letters.
export function typing(event) {
  const target = event.composedPath()[0];
  const words = target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || (target instanceof HTMLInputElement && !["range", "checkbox", "button"].includes(target.type));
  return words || event.ctrlKey || event.metaKey || event.altKey;
}
