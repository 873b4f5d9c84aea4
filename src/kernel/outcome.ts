/**
 * What became of one command: a value, or a failure that the caller can act on.
 * Failures are returned, never thrown; what is thrown is operational (the world) or a bug (ours).
 */
export interface Failure {
  /** Stable error code, `context.reason`, listed in docs/reference/errors.md. */
  readonly code: string
  /** One sentence for a person: what is wrong and what would be right. */
  readonly detail: string
  /** JSON pointer to the field at fault, such as `/items/0/quantity`. */
  readonly field?: string
  /** Further facts for machines, such as the current state. */
  readonly facts?: Readonly<Record<string, string | number | boolean | null>>
}

export interface Refusal {
  readonly ok: false
  readonly error: Failure
}

export type Outcome<T> = { readonly ok: true; readonly value: T } | Refusal

export function accepted<T>(value: T): Outcome<T> {
  return { ok: true, value }
}

export function refused(code: string, detail: string, field?: string, facts?: Failure['facts']): Refusal {
  return {
    ok: false,
    error: { code, detail, ...(field === undefined ? {} : { field }), ...(facts === undefined ? {} : { facts }) },
  }
}

/** Something that must never happen has happened: a bug, so it ends the request loudly. */
export class InvariantBroken extends Error {
  override readonly name = 'InvariantBroken'
}

export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantBroken(message)
}
