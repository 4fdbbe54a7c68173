// Plays a closed path of latents: pause, single frames, speed; still pictures where motion is unwelcome.

const FRAMES_PER_SECOND = 24;
const WALK_FRAMES = 144;
const CALM_SECONDS = 1.5; // each picture stands so long where motion is unwelcome
const CALM_FRAMES = 24;

class Movie {
  // show(z) draws a frame of the movie and may take its time; settle(z) is told where it stops.
  constructor(show, settle) {
    [this.show, this.settle] = [show, settle];
    this.path = [];
    [this.frame, this.speed, this.playing, this.busy] = [0, 1, false, false];
  }

  load(path) {
    [this.path, this.frame] = [path, 0];
  }

  play() {
    if (this.playing || !this.path.length) return;
    this.playing = true;
    let [last, left] = [performance.now(), 0];
    const tick = (now) => {
      if (!this.playing) return;
      left += ((now - last) / 1000) * this.speed;
      last = now;
      const frames = calm() ? Math.floor(left / CALM_SECONDS) * CALM_FRAMES : Math.floor(left * FRAMES_PER_SECOND);
      left -= calm() ? (frames / CALM_FRAMES) * CALM_SECONDS : frames / FRAMES_PER_SECOND;
      if (frames && !this.busy) this.#go(frames);
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.settle(this.path[this.frame]);
  }

  // One frame on or back; a playing movie stops.
  step(frames) {
    this.playing = false;
    return this.#go(frames);
  }

  async #go(frames) {
    this.frame = (((this.frame + frames) % this.path.length) + this.path.length) % this.path.length;
    this.busy = true;
    await this.show(this.path[this.frame]);
    this.busy = false;
  }
}
