// The pictures of a lattice in memory, and the blend of the corners round a point between them.

const ON_NODE = 1e-4; // of a step: latents are written with so few decimals

class Lattice {
  // told: what Lattice.as_json of foveal_audit.lattice wrote.
  constructor(told) {
    this.axes = told.axes;
    this.steps = told.steps;
    [this.height, this.width] = told.side;
    this.columns = told.columns;
    this.hidden = new Set(told.hidden || []);
    this.sprite = told.sprite;
    this.tiles = null;
  }

  // Decode the sprite into one array per picture, 3 values a pixel.
  async load() {
    const picture = new Image();
    picture.src = this.sprite;
    await picture.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(picture, 0, 0);
    const sheet = context.getImageData(0, 0, canvas.width, canvas.height);
    this.tiles = Array.from({ length: this.steps ** this.axes.length }, (_, node) => this.#cut(sheet, node));
    this.sum = new Float32Array(this.height * this.width * 3);
  }

  #cut(sheet, node) {
    const tile = new Uint8Array(this.height * this.width * 3);
    const left = (node % this.columns) * this.width;
    const top = Math.floor(node / this.columns) * this.height;
    for (let y = 0, to = 0; y < this.height; y++) {
      let from = ((top + y) * sheet.width + left) * 4;
      for (let x = 0; x < this.width; x++, from += 4) {
        tile[to++] = sheet.data[from];
        tile[to++] = sheet.data[from + 1];
        tile[to++] = sheet.data[from + 2];
      }
    }
    return tile;
  }

  // Where latents z stand among the nodes, one number from 0 to steps - 1 for each axis.
  places(z) {
    return this.axes.map((one) => {
      const share = (z[one.axis] - one.low) / (one.high - one.low || 1);
      return Math.min(1, Math.max(0, share)) * (this.steps - 1);
    });
  }

  // The number of the node at whole places; the last axis counts fastest.
  node(places) {
    return places.reduce((number, place) => number * this.steps + place, 0);
  }

  // The same latents with the lattice's axes on the nearest node that may be shown.
  snapped(z) {
    const places = this.places(z);
    let nearest = places.map(Math.round);
    if (this.hidden.has(this.node(nearest))) nearest = this.#nearestShown(places) || nearest;
    return this.at(nearest, z);
  }

  // Latents of the node at whole places, the other axes as in z.
  at(places, z) {
    const moved = [...z];
    this.axes.forEach((one, i) => {
      moved[one.axis] = one.stops[places[i]];
    });
    return moved;
  }

  #nearestShown(places) {
    let best = null;
    let least = Infinity;
    for (let node = 0; node < this.tiles.length; node++) {
      if (this.hidden.has(node)) continue;
      const own = this.placesOf(node);
      const apart = own.reduce((sum, place, i) => sum + (place - places[i]) ** 2, 0);
      if (apart < least) [best, least] = [own, apart];
    }
    return best;
  }

  // Whole places of a node.
  placesOf(node) {
    const places = [];
    for (let i = 0, rest = node; i < this.axes.length; i++, rest = Math.floor(rest / this.steps)) {
      places.unshift(rest % this.steps);
    }
    return places;
  }

  // The corners of the cell round z and the weight of each; hidden ones are left out of the sum.
  corners(z) {
    let found = [[0, 1]];
    for (const place of this.places(z)) {
      const low = Math.min(Math.floor(place + ON_NODE), this.steps - 1);
      const part = Math.max(0, place - low) < ON_NODE ? 0 : place - low;
      const ends = part ? [[low, 1 - part], [low + 1, part]] : [[low, 1]];
      found = found.flatMap(([node, weight]) => ends.map(([end, share]) => [node * this.steps + end, weight * share]));
    }
    return found.filter(([node]) => !this.hidden.has(node));
  }

  // Write the picture at z into an ImageData; false where nothing may be shown there.
  blend(z, into) {
    const corners = this.corners(z);
    const whole = corners.reduce((sum, [, weight]) => sum + weight, 0);
    if (whole < 1e-6) return false;
    const { sum } = this;
    sum.fill(0.5); // rounds below
    for (const [node, weight] of corners) {
      const tile = this.tiles[node];
      const share = weight / whole;
      for (let i = 0; i < sum.length; i++) sum[i] += share * tile[i];
    }
    for (let i = 0, to = 0; i < sum.length; ) {
      into.data[to++] = Math.floor(sum[i++]);
      into.data[to++] = Math.floor(sum[i++]);
      into.data[to++] = Math.floor(sum[i++]);
      into.data[to++] = 255;
    }
    return true;
  }

  // Whether z stands on a node: what is shown there is a frame of the generator itself.
  isNode(z) {
    return this.corners(z).length === 1 && this.places(z).every((place) => Math.abs(place - Math.round(place)) < ON_NODE);
  }
}
