import type { BrokenEvent, CarrierEvent } from '#tracking'

export type Json = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Undefined where the body is no JSON object. */
export function objectOf(body: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

export const listAt = (object: Json, name: string): readonly unknown[] | undefined => {
  const value = object[name]
  return Array.isArray(value) ? (value as unknown[]) : undefined
}

export const objectAt = (object: Json, name: string): Json => {
  const value = object[name]
  return isObject(value) ? value : {}
}

// U+0000 can not be stored, nor can half of a surrogate pair; an event is worth more than the letter that is wrong in its place.
const storable = (text: string): string => text.replaceAll('\u0000', '').toWellFormed()

/** Plain text of a field, '' where there is none, cut to what a fact may hold. */
export const textAt = (object: Json, name: string, longest = 100): string => {
  const value = object[name]
  return typeof value === 'string' || typeof value === 'number' ? storable(String(value).trim().slice(0, longest)) : ''
}

/** Reads event after event; one that can not be read is named, and the others go on. */
export class EventReader {
  readonly events: CarrierEvent[] = []
  readonly broken: BrokenEvent[] = []

  /** `read` gives the event, or says what is wrong and at which field. */
  take(at: string, value: unknown, read: (event: Json) => CarrierEvent | { readonly field: string; readonly detail: string }): void {
    if (!isObject(value)) {
      this.fail(at, 'an event is an object')
      return
    }
    const event = read(value)
    if ('field' in event) this.fail(`${at}/${event.field}`, event.detail)
    else this.events.push(event)
  }

  fail(at: string, detail: string): void {
    this.broken.push({ at, detail: detail.slice(0, 200) })
  }
}

export const wrong = (field: string, detail: string) => ({ field, detail })

/** What a value looks like, for people who search the mistake; short, whatever came. */
export const shown = (value: unknown): string => (value === undefined ? 'nothing' : storable(JSON.stringify(value).slice(0, 60)))

/** Names of places as carriers give them in parts. */
export const placeOf = (...parts: readonly string[]): string =>
  parts
    .filter((part) => part !== '')
    .join(', ')
    .slice(0, 100)
