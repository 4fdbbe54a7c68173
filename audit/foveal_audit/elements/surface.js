// How a tile becomes what is seen: the pixels of a picture as they are, the values of a trace as a strip chart.

const CHART = { width: 384, alone: 176, together: 320, least: 24, margin: 7, line: 2 };
const INK = "#1c1c20";
const RULE = "#dedede";

class Pixels {
  constructor(canvas, [height, width]) {
    [canvas.width, canvas.height] = [width, height];
    this.canvas = canvas;
    this.brush = canvas.getContext("2d");
    this.brush.imageSmoothingEnabled = false;
    this.image = this.brush.createImageData(width, height);
  }

  // Show the tile that was written into the image.
  paint() {
    this.brush.putImageData(this.image, 0, 0);
  }

  // Show a tile that came as a bitmap.
  show(bitmap) {
    this.brush.drawImage(bitmap, 0, 0, this.canvas.width, this.canvas.height);
  }

  clear() {
    this.brush.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }
}

class Strips {
  // A tile has a row for each lane and a pixel for each step; white is the top of a lane.
  constructor(canvas, [lanes, steps]) {
    [this.lanes, this.steps] = [lanes, steps];
    this.lane = lanes === 1 ? CHART.alone : Math.max(CHART.least, Math.floor(CHART.together / lanes));
    [canvas.width, canvas.height] = [CHART.width, this.lane * lanes];
    canvas.className = "chart";
    this.brush = canvas.getContext("2d");
    this.image = this.brush.createImageData(steps, lanes);
    this.scratch = make("canvas", { width: steps, height: lanes }).getContext("2d", { willReadFrequently: true });
  }

  paint() {
    this.clear();
    const { brush, lane } = this;
    for (let i = 0; i < this.lanes; i++) {
      brush.fillStyle = RULE;
      brush.fillRect(0, (i + 1) * lane - 1, CHART.width, 1);
      brush.beginPath();
      for (let step = 0; step < this.steps; step++) brush.lineTo(this.#across(step), i * lane + this.#down(i, step));
      [brush.strokeStyle, brush.lineWidth, brush.lineJoin] = [INK, CHART.line, "round"];
      brush.stroke();
    }
  }

  show(bitmap) {
    this.scratch.drawImage(bitmap, 0, 0);
    this.image = this.scratch.getImageData(0, 0, this.steps, this.lanes);
    this.paint();
  }

  clear() {
    this.brush.fillStyle = "#fff";
    this.brush.fillRect(0, 0, CHART.width, this.lane * this.lanes);
  }

  #across(step) {
    return (step / Math.max(1, this.steps - 1)) * CHART.width;
  }

  #down(lane, step) {
    const share = this.image.data[(lane * this.steps + step) * 4] / 255;
    return CHART.margin + (1 - share) * (this.lane - 1 - 2 * CHART.margin);
  }
}

const surfaceOf = (told, canvas) => (told.lanes ? new Strips(canvas, told.side) : new Pixels(canvas, told.side));
