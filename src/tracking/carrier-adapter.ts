/** One event of a carrier's message, in our terms. Its code is still the carrier's; tables say what it means (carriers/). */
export interface CarrierEvent {
  /** The carrier's number of the parcel. */
  readonly number: string
  readonly code: string
  readonly occurredAt: Date
  /** False where the carrier gave local time without a zone; the instant is then the likeliest. */
  readonly zoneKnown: boolean
  readonly place: string
  readonly detail: string
}

/** An event that could not be read, and why. The others of its message are recorded. */
export interface BrokenEvent {
  /** JSON pointer into the message. */
  readonly at: string
  readonly detail: string
}

export interface CarrierMessage {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** How one carrier speaks. Pure; implemented in src/partners/carriers. */
export interface CarrierAdapter {
  /** Also the source of its facts. */
  readonly name: string
  /** Whether the message comes from who it says, by what the two of us agreed on. */
  isGenuine(message: CarrierMessage, secret: string): boolean
  /** Reads what can be read. Undefined when the body is no message of this carrier at all. */
  read(body: string): { readonly events: readonly CarrierEvent[]; readonly broken: readonly BrokenEvent[] } | undefined
}
