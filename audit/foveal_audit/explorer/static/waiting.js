// Frames come before the audited model is ready to be asked: its value is fetched once it is, if nobody has moved on.
const AGAIN = 500; // milliseconds

document.addEventListener("foveal-frame", ({ target, detail }) => {
  if (!target.frame?.pending) return;
  setTimeout(() => { if (target.isConnected && String(target.z) === String(detail.z)) target.settle(target.z, false); }, AGAIN);
});
