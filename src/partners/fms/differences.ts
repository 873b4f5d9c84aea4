import { carrierMeaningOf, type Milestone } from '#tracking'
import { fmsSource } from './rows.ts'

/** Why the monolith shows something else than its own events say. */
export const differenceKinds = {
  unknown_status: 'the status is no word that we know',
  no_events: 'the status moved on, but there is no event',
  broken_events: 'an event of it could not be read; see the broken lines',
  deleted_event: 'the event that the status came from was taken back, and the status was left',
  last_written_wins: 'the status is that of the event that was written last, not of the one that happened last',
  status_without_event: 'no event says what the status says',
  behind_events: 'an event moved it on, and the status was left',
  other: 'nothing of these',
} as const
export type DifferenceKind = keyof typeof differenceKinds

const milestoneOf = (status: string): Milestone | null => carrierMeaningOf(fmsSource, status)?.milestone ?? null

/** What is kept of each shipment while its events go by: enough to say why it differs, and no more. */
export class ShipmentTrail {
  readonly status: string
  #lastWritten: { readonly id: number; readonly milestone: Milestone } | undefined
  readonly #told = new Set<Milestone>()
  readonly #deleted = new Set<Milestone>()
  #broken = false

  constructor(status: string) {
    this.status = status
  }

  tell(event: { readonly id: number; readonly status: string; readonly isDeleted: boolean }): void {
    const milestone = milestoneOf(event.status)
    if (milestone === null) return
    if (event.isDeleted) this.#deleted.add(milestone)
    else {
      this.#told.add(milestone)
      if (this.#lastWritten === undefined || event.id > this.#lastWritten.id) this.#lastWritten = { id: event.id, milestone }
    }
  }

  break(): void {
    this.#broken = true
  }

  /** Undefined where the status says what the events say. A status that moves nothing (ON_HOLD) says nothing that could differ. */
  differenceTo(state: Milestone): DifferenceKind | undefined {
    const meaning = carrierMeaningOf(fmsSource, this.status)
    if (meaning === undefined) return 'unknown_status'
    const said = meaning.milestone
    if (said === null || said === state) return undefined
    if (this.#told.size === 0) return this.#broken ? 'broken_events' : this.#deleted.has(said) ? 'deleted_event' : 'no_events'
    if (this.#lastWritten?.milestone === said) return 'last_written_wins'
    if (this.#broken) return 'broken_events'
    if (this.#deleted.has(said)) return 'deleted_event'
    return this.#told.has(said) ? 'behind_events' : 'status_without_event'
  }
}
