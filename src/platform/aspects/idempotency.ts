import { hash } from 'node:crypto'
import type { Outcome } from '#kernel/outcome.ts'
import { refused } from '#kernel/outcome.ts'
import { type ContextName, statement, type WriteContext } from '#platform/database.ts'

/** A command that carries an idempotency key. Keys are scoped to the client, so that two clients may use the same one. */
export interface Keyed {
  readonly client: string
  readonly key: string
  readonly operation: string
  /** SHA-256 of operation and body, hex. */
  readonly bodyHash: string
}

/**
 * Whether a command met its own earlier run, or another run of its key at the same time: the key was there already, or
 * something that the first run made. It is run again, and finds the first answer.
 */
export function isKeyRace(error: unknown): boolean {
  return (error as { code?: string }).code === uniqueViolation
}
const uniqueViolation = '23505'

export function hashBody(operation: string, input: unknown): string {
  return hash('sha256', `${operation}\n${JSON.stringify(input)}`, 'hex')
}

interface StoredRow {
  client: string
  key: string
  operation: string
  body_hash: string
  outcome: unknown
}

const statementsOf = (context: ContextName) => ({
  find: statement<StoredRow>(
    `${context}.find_idempotency`,
    `select i.client, i.key, i.operation, encode(i.body_hash, 'hex') as body_hash, i.outcome
     from ${context}.idempotency i join unnest($1::text[], $2::text[]) as asked (client, key)
       on i.client = asked.client and i.key = asked.key`,
  ),
  keep: statement(
    `${context}.keep_idempotency`,
    `insert into ${context}.idempotency (client, key, operation, body_hash, outcome, created_at)
     select client, key, operation, decode(body_hash, 'hex'), outcome, $6
     from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::json[]) as kept (client, key, operation, body_hash, outcome)`,
  ),
})
const cache = new Map<ContextName, ReturnType<typeof statementsOf>>()
const sqlOf = (context: ContextName) => {
  const found = cache.get(context) ?? statementsOf(context)
  cache.set(context, found)
  return found
}

/** The first answers of those keys that have one: the stored value, or a refusal where the body is another. */
export async function findFirstAnswers(
  tx: WriteContext,
  context: ContextName,
  keyed: readonly Keyed[],
): Promise<Map<string, Outcome<unknown>>> {
  const rows = await tx.query(sqlOf(context).find, [keyed.map(({ client }) => client), keyed.map(({ key }) => key)])
  if (rows.length === 0) return new Map()
  const hashes = new Map(keyed.map((entry) => [`${entry.client}\n${entry.key}`, entry.bodyHash]))
  return new Map(
    rows.map((row) => {
      const id = `${row.client}\n${row.key}`
      return [id, hashes.get(id) === row.body_hash ? { ok: true, value: row.outcome } : keyReused()]
    }),
  )
}

export function keyReused(): Outcome<never> {
  return refused(
    'platform.idempotency_key_reused',
    'This idempotency key was used with another body. Use a new key for a new command.',
    'Idempotency-Key',
  )
}

/** Keeps first answers, in the transaction of their effect. Refusals are not kept: they changed nothing and may be asked again. */
export function keepAnswers(
  tx: WriteContext,
  context: ContextName,
  answers: readonly { readonly keyed: Keyed; readonly value: unknown }[],
): void {
  if (answers.length === 0) return
  tx.defer(sqlOf(context).keep, [
    answers.map(({ keyed }) => keyed.client),
    answers.map(({ keyed }) => keyed.key),
    answers.map(({ keyed }) => keyed.operation),
    answers.map(({ keyed }) => keyed.bodyHash),
    answers.map(({ value }) => JSON.stringify(value)),
    tx.now,
  ])
}
