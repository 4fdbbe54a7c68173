// Exact frames from a server: one question on its way at a time, and of those that wait only the newest.

class Exact {
  // onframe(frame, question) and onfault(fault) hear of what comes back.
  constructor(address, onframe, onfault) {
    [this.address, this.onframe, this.onfault] = [address, onframe, onfault];
    this.asking = false;
    this.waiting = null;
  }

  ask(question) {
    return new Promise((answered) => {
      this.waiting?.answered(); // overtaken
      this.waiting = { question, answered };
      if (!this.asking) this.#work();
    });
  }

  async #work() {
    this.asking = true;
    while (this.waiting) {
      const { question, answered } = this.waiting;
      this.waiting = null;
      try {
        this.onframe(await this.#frame(question), question);
      } catch (fault) {
        this.onfault(fault, question);
      }
      answered();
    }
    this.asking = false;
  }

  async #frame(question) {
    const response = await fetch(`${this.address}?${new URLSearchParams(question)}`);
    if (!response.ok) throw new Error(`The server answered ${response.status}`);
    const told = JSON.parse(response.headers.get("Foveal-Frame"));
    return { ...told, picture: await createImageBitmap(await response.blob()) };
  }

  async walk(seed, frames) {
    const response = await fetch(`${this.address}/walk?${new URLSearchParams({ seed, frames })}`);
    if (!response.ok) throw new Error(`The server answered ${response.status}`);
    return (await response.json()).latents;
  }

  movie(seed) {
    return `${this.address}/walk.mp4?${new URLSearchParams({ seed })}`;
  }
}
