// How long a delay is: drawn from a distribution. Milliseconds.
import { Dice } from "./dice";

/** Attempts at a normal sample. One in five fails: only dice that always fall alike need them all. */
const MAX_ATTEMPTS = 64;

export abstract class Latency {
  abstract draw(dice: Dice): f64;
}

export class Fixed extends Latency {
  constructor(readonly delay: f64) { super(); }
  draw(dice: Dice): f64 { return this.delay; }
}

export class Uniform extends Latency {
  constructor(readonly least: f64, readonly most: f64) { super(); }
  draw(dice: Dice): f64 { return this.least + (this.most - this.least) * dice.fraction(); }
}

/** Marsaglia's polar method. */
export class Normal extends Latency {
  constructor(readonly mean: f64, readonly deviation: f64) { super(); }

  draw(dice: Dice): f64 {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const x = dice.fraction() * 2 - 1, y = dice.fraction() * 2 - 1;
      const square = x * x + y * y;
      if (square > 0 && square < 1) return this.mean + this.deviation * x * Math.sqrt(-2 * Math.log(square) / square);
    }
    return this.mean;
  }
}

export class Pareto extends Latency {
  constructor(readonly scale: f64, readonly shape: f64) { super(); }
  /** Not by Math.pow, whose tables alone are 6 KiB. */
  draw(dice: Dice): f64 { return this.scale * Math.exp(-Math.log(1 - dice.fraction()) / this.shape); }
}

/** Points of a distribution function, ascending; straight lines between them. */
export class Quantiles extends Latency {
  constructor(readonly quantiles: StaticArray<f64>, readonly delays: StaticArray<f64>) { super(); }

  draw(dice: Dice): f64 {
    const place = dice.fraction(), count = this.quantiles.length;
    let above = 0;
    while (above < count && this.quantiles[above] <= place) above++;
    if (above == 0) return count > 0 ? this.delays[0] : 0;
    if (above == count) return this.delays[count - 1];
    const share = (place - this.quantiles[above - 1]) / (this.quantiles[above] - this.quantiles[above - 1]);
    return this.delays[above - 1] + share * (this.delays[above] - this.delays[above - 1]);
  }
}
