import { type KnownWay, type Point, metresBetween, secondsFor, serviceOf, wayBetween } from './travel.ts'

/** One door on a route, and the waybills that are left there. Times are seconds since the epoch. */
export interface PathStop extends Point {
  readonly service: number
  readonly arrives: number
  readonly waybills: readonly number[]
  /** The way by road from the place before, and from here back to the depot, where a table service told it. */
  readonly by?: KnownWay
  readonly home?: KnownWay
  /** When its goods are at the depot: the truck leaves no sooner. Kept where the truck leaves later anyway, for another truck may take over. Absent: they are there. */
  readonly ready?: number
}

/** What a path must keep: it starts and ends at the depot within the truck's time, and serves within the slot's. */
export interface PathFrame {
  /** Null: the trip starts at its first door and ends at its last. */
  readonly base: Point | null
  readonly from: number
  readonly to: number
  readonly opens: number
  readonly closes: number
  /** So many doors at the start stay as they are. */
  readonly frozen: number
}

export interface Insertion {
  /** Where: at the door with this index when `joins`, else before it. */
  readonly at: number
  readonly joins: boolean
  /** How much longer the way gets. */
  readonly metres: number
}

/** How late the best place would be, for saying why there is none. */
export interface TooLate {
  readonly lateSeconds: number
}

const noWay = { metres: 0, seconds: 0 }
const way = (a: Point | null, b: Point | null): number => (a === null || b === null ? 0 : metresBetween(a, b))

/**
 * A route's doors with what is needed to judge a change of it in one look at two neighbours: when the truck is free behind each door (prefix), and
 * how late it may come to each so that all after it still hold (suffix).
 */
export class Path {
  readonly frame: PathFrame
  #stops: PathStop[]
  #free: number[] = []
  #latest: number[] = []
  /** The way to each stop from the one before, and at last to the depot, and how long it takes. */
  #legs: number[] = []
  #takes: number[] = []
  #leaves = 0

  constructor(frame: PathFrame, stops: readonly PathStop[]) {
    this.frame = frame
    this.#stops = [...stops]
    this.#measure()
  }

  get stops(): readonly PathStop[] {
    return this.#stops
  }

  /** False where a door is reached after the slot, or the depot after the truck's time. */
  get holds(): boolean {
    return this.#stops.every(({ arrives }, at) => arrives <= (this.#latest[at] ?? -1))
  }

  metres(): number {
    return this.#legs.reduce((sum, leg) => sum + leg, 0)
  }

  /** When the truck leaves: not before all that it carries is there. */
  get leaves(): number {
    return this.#leaves
  }

  /** The same doors with goods that are ready at these times, by waybill; or how late that would be. Whose first doors are frozen leaves when it did. */
  withReady(ready: ReadonlyMap<number, number>): Path | TooLate {
    const stops = this.#stops.map(({ ready: _, ...stop }) => {
      const latest = stop.waybills.reduce((most, id) => Math.max(most, ready.get(id) ?? 0), 0)
      return latest > 0 ? { ...stop, ready: latest } : stop
    })
    const [first] = stops
    const leaves = stops.reduce((most, stop) => Math.max(most, 'ready' in stop ? stop.ready : 0), this.frame.from)
    if (this.frame.frozen > 0 && leaves > this.#leaves) return { lateSeconds: leaves - this.#leaves }
    if (this.frame.frozen > 0 && leaves < this.#leaves && first !== undefined) stops[0] = { ...first, ready: this.#leaves }
    const path = new Path(this.frame, stops)
    return path.holds ? path : { lateSeconds: path.#lateness() }
  }

  /** The same doors driven by another truck or from another depot; times as they come out then. */
  under(frame: PathFrame): Path {
    return new Path(frame, this.#stops)
  }

  /** The shortest detour that keeps every time; where the truck stops anyway, none at all. */
  bestInsertion(door: Point, ready = 0): Insertion | TooLate {
    if (ready > this.#leaves) {
      // Whose first doors stay as they are may have left: nothing makes it leave later.
      if (this.frame.frozen > 0 && this.#stops.length > 0) return { lateSeconds: ready - this.#leaves }
      // All doors are later then: judged on the route as it is with such a start.
      const later = new Path({ ...this.frame, from: ready }, this.#stops)
      return later.holds ? later.bestInsertion(door) : { lateSeconds: later.#lateness() }
    }
    const { base, opens, closes, frozen } = this.frame
    const known = this.#stops.findIndex(({ lat, lng }, at) => at >= frozen && lat === door.lat && lng === door.lng)
    let lateSeconds = Infinity
    if (known >= 0) {
      const late = (this.#free[known] ?? 0) + serviceOf(1) - serviceOf(0) - this.#latestLeave(known)
      if (late <= 0) return { at: known, joins: true, metres: 0 }
      lateSeconds = late
    }
    let best: Insertion | undefined
    const first = Math.min(frozen, this.#stops.length)
    // The way on from the door to a stop is the way there when it is put behind that stop: each is measured once.
    let there = way(first === 0 ? base : (this.#stops[first - 1] ?? null), door)
    for (let at = first; at <= this.#stops.length; at += 1) {
      const on = way(door, at === this.#stops.length ? base : (this.#stops[at] ?? null))
      const begins = Math.max(opens, (at === 0 ? this.#leaves : (this.#free[at - 1] ?? 0)) + secondsFor(there))
      const leaves = begins + serviceOf(1)
      const due = at === this.#stops.length ? this.frame.to : (this.#latest[at] ?? 0)
      const late = Math.max(begins - closes, leaves + secondsFor(on) - due)
      const metres = there + on - (this.#legs[at] ?? 0)
      there = on
      if (late > 0) lateSeconds = Math.min(lateSeconds, late)
      else if (best === undefined || metres < best.metres) best = { at, joins: false, metres }
    }
    return best ?? { lateSeconds: lateSeconds === Infinity ? 0 : lateSeconds }
  }

  /** At the stop with this number (from 1) where one is given, if every time holds then. */
  insertionAt(door: Point, position: number | undefined, ready = 0): Insertion | TooLate {
    if (position === undefined) return this.bestInsertion(door, ready)
    const insertion = { at: Math.min(Math.max(position - 1, this.frame.frozen), this.#stops.length), joins: false, metres: 0 }
    const tried = new Path(this.frame, this.#stops)
    tried.insert(insertion, door, { waybillId: 0, ready })
    const lateSeconds = tried.#lateness()
    return lateSeconds > 0 ? { lateSeconds } : insertion
  }

  #lateness(): number {
    return this.#stops.reduce((most, { arrives }, at) => Math.max(most, arrives - (this.#latest[at] ?? 0)), 0)
  }

  insert({ at, joins }: Insertion, door: Point, { waybillId, ready = 0 }: { readonly waybillId: number; readonly ready?: number }): void {
    const known = this.#stops[at]
    const waits = Math.max(ready, joins ? (known?.ready ?? 0) : 0)
    const stop =
      joins && known !== undefined
        ? withWaybills(known, [...known.waybills, waybillId])
        : { lat: door.lat, lng: door.lng, service: serviceOf(1), arrives: 0, waybills: [waybillId] }
    this.#stops.splice(at, stop.waybills.length > 1 ? 1 : 0, waits > 0 ? { ...stop, ready: waits } : stop)
    this.#measure()
  }

  remove(waybillIds: ReadonlySet<number>): void {
    const leaves = this.#leaves
    this.#stops = this.#stops.flatMap((stop) => {
      const kept = stop.waybills.filter((id) => !waybillIds.has(id))
      if (kept.length === stop.waybills.length) return [stop]
      return kept.length === 0 ? [] : [withWaybills(stop, kept)]
    })
    // Nor sooner, when what it waited for is gone.
    const [first] = this.#stops
    if (this.frame.frozen > 0 && first !== undefined && leaves > this.frame.from) this.#stops[0] = { ...first, ready: leaves }
    this.#measure()
  }

  #latestLeave(at: number): number {
    const due = at + 1 < this.#stops.length ? (this.#latest[at + 1] ?? 0) : this.frame.to
    return due - (this.#takes[at + 1] ?? 0)
  }

  #measure(): void {
    const { base, from, opens, closes } = this.frame
    this.#leaves = this.#stops.reduce((latest, { ready = 0 }) => Math.max(latest, ready), from)
    let clock = this.#leaves
    let place: Point | null = base
    this.#free = []
    this.#legs = []
    this.#takes = []
    this.#stops = this.#stops.map((stop) => {
      const { metres, seconds } = place === null ? noWay : wayBetween(place, stop, stop.by, place)
      this.#legs.push(metres)
      this.#takes.push(seconds)
      const arrives = Math.max(opens, clock + seconds)
      clock = arrives + stop.service
      place = stop
      this.#free.push(clock)
      return stop.arrives === arrives ? stop : { ...stop, arrives }
    })
    const last = this.#stops.at(-1)
    const { metres, seconds } = last === undefined || base === null ? noWay : wayBetween(last, base, last.home, base)
    this.#legs.push(metres)
    this.#takes.push(seconds)
    this.#latest = this.#stops.map(() => 0)
    for (let at = this.#stops.length - 1; at >= 0; at -= 1)
      this.#latest[at] = Math.min(closes, this.#latestLeave(at) - (this.#stops[at]?.service ?? 0))
  }
}

const withWaybills = (stop: PathStop, waybills: readonly number[]): PathStop => ({
  ...stop,
  waybills,
  service: stop.service + serviceOf(waybills.length) - serviceOf(stop.waybills.length),
})

export interface SlotTimes {
  readonly startsAt: Date
  readonly endsAt: Date
}

const least = 60

/**
 * When a truck is taken by a trip into a slot: it leaves as much before the slot as the way takes, and is back as much before its end, so that it can
 * serve the next slot. Where that leaves less than half of the slot at doors, it comes back after it. Null when its shift does not allow it.
 */
export function timesOfTrip(
  { startsAt, endsAt }: SlotTimes,
  { base, centre, shift }: { base: Point | null; centre: Point; shift: { readonly from: number; readonly to: number } | null },
): { from: number; to: number } | null {
  const opens = startsAt.getTime() / 1000
  const closes = endsAt.getTime() / 1000
  // Rounded up to whole minutes, so that trucks of one depot and zone hand over without a gap of seconds.
  const lead = base === null ? 0 : Math.ceil(secondsFor(metresBetween(base, centre)) / 60) * 60
  const early = closes - lead
  const to = early - lead - opens >= (closes - opens) / 2 ? early : closes + lead
  const cut = { from: Math.max(opens - lead, shift?.from ?? -Infinity), to: Math.min(to, shift?.to ?? Infinity) }
  return cut.to - cut.from < least + 2 * lead || cut.from > closes ? null : cut
}
