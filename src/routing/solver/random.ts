/** A small fast source of chance (xorshift, 32 bits), the same for the same seed on every machine. */
export class Random {
  #state: number

  constructor(seed: number) {
    // Small seeds lie close together; multiplied and stirred they do not.
    this.#state = (Math.imul(seed | 0, 0x9e3779b1) ^ 0x6d2b79f5) | 0 || 0x1234567
    for (let n = 0; n < 8; n += 1) this.bits()
  }

  bits(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return x >>> 0
  }

  /** From 0 up to and without 1. */
  fraction(): number {
    return this.bits() / 4_294_967_296
  }

  /** A whole number below `bound`. */
  below(bound: number): number {
    return Math.floor((this.bits() / 4_294_967_296) * bound)
  }
}
