/** Instants are milliseconds since the epoch in UTC; the clock is passed in so that tests and imports own time. */
export interface Clock {
  now(): Date
}

export const systemClock: Clock = { now: () => new Date() }

/** A clock that stands still until it is set; used by tests and by imports that replay history. */
export class SettableClock implements Clock {
  #now: Date
  constructor(now: Date) {
    this.#now = now
  }
  now(): Date {
    return this.#now
  }
  set(now: Date): void {
    this.#now = now
  }
}
