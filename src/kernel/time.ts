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

/** The instant that an ISO text names; undefined where no calendar or clock has it. JavaScript takes 30 February for 2 March; we do not. */
export function instantIn(text: string): Date | undefined {
  const instant = new Date(text)
  const day = Number(text.slice(8, 10))
  const isDay = day <= 28 || new Date(`${text.slice(0, 10)}T00:00:00Z`).getUTCDate() === day
  return isDay && !Number.isNaN(instant.getTime()) ? instant : undefined
}
