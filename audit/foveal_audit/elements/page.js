// Small parts of a page, made without text that is read as code.

// An element with attributes, listeners (on...) and children; text is always text.
function make(tag, told = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(told)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list" && name !== "form") element[name] = value;
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

// A style sheet of our own: it needs no permission in the page's policy.
function styled(root, text) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
}

// What a script block of JSON inside an element says; null where there is none.
function toldIn(element, selector) {
  const block = element.querySelector(selector);
  return block ? JSON.parse(block.textContent) : null;
}

// When the page has been read to its end.
function parsed() {
  return new Promise((resolve) => {
    if (document.readyState !== "loading") resolve();
    else document.addEventListener("DOMContentLoaded", resolve, { once: true });
  });
}

// When an element comes near to what is seen: a report holds many, and few are looked at.
function near(element) {
  return new Promise((resolve) => {
    const watch = new IntersectionObserver((seen) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      watch.disconnect();
      resolve();
    }, { rootMargin: "600px" });
    watch.observe(element);
  });
}

// Put text on the clipboard, or select it where that is refused, as in a sandbox. Says what happened.
async function copied(field) {
  try {
    if (document.featurePolicy?.allowsFeature("clipboard-write") === false) throw new Error("a sandbox");
    await navigator.clipboard.writeText(field.value);
    return "Copied";
  } catch {
    field.focus();
    field.select();
    return "Selected: press Ctrl+C";
  }
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// The part of the address after #, as settings; nothing where the page has none or may not know.
function settingsInAddress() {
  try {
    const text = location.hash.slice(1);
    return text.includes("=") ? new URLSearchParams(text) : new URLSearchParams();
  } catch {
    return new URLSearchParams();
  }
}

// Keep a setting there; an anchor of the page is left alone.
function keepInAddress(name, value) {
  try {
    const text = location.hash.slice(1);
    if (text && !text.includes("=")) return;
    const settings = new URLSearchParams(text);
    settings.set(name, value);
    history.replaceState(history.state, "", `#${settings}`);
  } catch {
    // a sandbox has no address of its own
  }
}
