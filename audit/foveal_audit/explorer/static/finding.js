// A page with crops in it, and similar entries that are looked up when they are asked for.
import { get, say } from "./ask.js";
import { fill, fillByIds } from "./tiles.js";

for (const details of document.querySelectorAll("details.similar")) {
  details.addEventListener("toggle", async () => {
    if (!details.open || details.dataset.filled) return;
    details.dataset.filled = "yes";
    try {
      fill(details.querySelector(".tiles"), (await get("/api/similar", { id: details.dataset.id, k: 8 })).entries);
    } catch (fault) {
      say(fault.message);
    }
  });
}
fillByIds().catch((fault) => say(fault.message));
