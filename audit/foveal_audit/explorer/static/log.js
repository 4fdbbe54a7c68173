// The log's buttons: verify, import.
import { get, post, say } from "./ask.js";
import "./shell.js";

document.getElementById("verify").addEventListener("click", async () => {
  const place = document.getElementById("verified");
  try {
    const told = await get("/api/verify");
    const heads = told.heads.map((one) => one.slice(0, 12)).join(", ") || "none";
    place.textContent = told.problems.length ? `The chain does not hold: ${told.problems.join("; ")}` : `The chain of ${told.events} events holds. Its ends: ${heads}. Keep them elsewhere to notice if the last ones are ever dropped.`;
  } catch (fault) {
    place.textContent = fault.message;
  }
});

document.getElementById("import").addEventListener("change", async (event) => {
  try {
    const { added } = await post("/api/import", await event.target.files[0].text());
    say(`${added} events added`);
    if (added) location.reload();
  } catch (fault) {
    say(fault.message);
  }
});
