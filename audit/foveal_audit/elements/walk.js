// Seeded chance and a smooth closed path through chosen points: the random walk of the movie.

// Marsaglia-like generator of 32 bits (mulberry32): the same seed gives the same numbers everywhere.
function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

// A closed Catmull-Rom curve through points: no jump in position or speed, also where it closes.
function pathThrough(points, frames) {
  const at = (stop) => points[((stop % points.length) + points.length) % points.length];
  return Array.from({ length: frames }, (_, frame) => {
    const time = (frame / frames) * points.length;
    const stop = Math.floor(time);
    const t = time - stop;
    const [a, b, c, d] = [at(stop - 1), at(stop), at(stop + 1), at(stop + 2)];
    return b.map((value, i) =>
      value + 0.5 * t * (c[i] - a[i] + t * (2 * a[i] - 5 * value + 4 * c[i] - d[i] + t * (3 * (value - c[i]) + d[i] - a[i]))));
  });
}

// A walk within the box of the sliders, the other axes as in z.
function walkInside(axes, z, seed, frames, stops = 6) {
  const chance = seeded(seed);
  const points = Array.from({ length: stops }, () => {
    const point = [...z];
    for (const one of axes) point[one.axis] = one.low + (one.high - one.low) * chance();
    return point;
  });
  return pathThrough(points, frames).map((point) => {
    for (const one of axes) point[one.axis] = Math.min(one.high, Math.max(one.low, point[one.axis]));
    return point;
  });
}
