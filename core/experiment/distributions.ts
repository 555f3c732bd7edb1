import { gammaln } from 'simple-statistics';

// The two distribution functions that no kept library of this size has, from continued fractions and series (Press et al., Numerical Recipes,
// 3rd ed., §6.2 and §6.4), and their inverses by bisection. Relative accuracy about 1e-12; nothing here runs in the decoding loop.

const MAX_STEPS = 1000;
const EPSILON = 1e-15;
const TINY = 1e-300;

/**
 * Upper quantile of Student's t: the value that is exceeded with probability `tail`.
 *
 * @param tail in (0, 0.5]
 * @param freedom degrees of freedom, above 0; Infinity for the normal distribution
 */
export function studentQuantile(tail: number, freedom: number): number {
  const degrees = Math.min(freedom, 1e7);   // indistinguishable from the normal distribution
  return bisect((t) => studentTail(t, degrees) < tail, 0, 1e8);
}

/** P(T > t) of Student's t for t ≥ 0. */
export function studentTail(t: number, freedom: number): number {
  return incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2;
}

/** P(X > x) of chi-square. */
export function chiSquareTail(x: number, freedom: number): number {
  return x <= 0 ? 1 : 1 - lowerGamma(x / 2, freedom / 2);
}

/** The value below which chi-square lies with probability `share`, in (0, 1). */
export function chiSquareQuantile(share: number, freedom: number): number {
  return bisect((x) => 1 - chiSquareTail(x, freedom) > share, 0, freedom * 20 + 100);
}

/** Where `isPast` turns true between `low` and `high`. */
function bisect(isPast: (x: number) => boolean, low: number, high: number): number {
  for (let step = 0; step < 200 && high - low > 1e-12 * Math.max(1, low); step++) {
    const middle = (low + high) / 2;
    if (isPast(middle)) high = middle;
    else low = middle;
  }
  return (low + high) / 2;
}

/** Regularised incomplete beta function I_x(a, b). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  const front = Math.exp(gammaln(a + b) - gammaln(a) - gammaln(b) + a * Math.log(x) + b * Math.log1p(-x));
  return x < (a + 1) / (a + b + 2) ? (front * betaFraction(x, a, b)) / a : 1 - (front * betaFraction(1 - x, b, a)) / b;
}

function betaFraction(x: number, a: number, b: number): number {
  const away = (value: number): number => (Math.abs(value) < TINY ? TINY : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= MAX_STEPS; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    fraction *= d * c;
    if (Math.abs(d * c - 1) < EPSILON) break;
  }
  return fraction;
}

/** Regularised lower incomplete gamma function P(a, x): a series below a + 1, a continued fraction above. */
function lowerGamma(x: number, a: number): number {
  const front = Math.exp(a * Math.log(x) - x - gammaln(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; n < MAX_STEPS && term > sum * EPSILON; n++) sum += term *= x / (a + n);
    return front * sum;
  }
  let b = x + 1 - a;
  let c = 1 / TINY;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1; n < MAX_STEPS; n++) {
    const factor = -n * (n - a);
    b += 2;
    d = 1 / (factor * d + b || TINY);
    c = b + factor / c || TINY;
    fraction *= d * c;
    if (Math.abs(d * c - 1) < EPSILON) break;
  }
  return 1 - front * fraction;
}
