import { invariant } from '#kernel/outcome.ts'
import { type Statement, statement, type WriteContext } from '#platform/database.ts'
import type { AttemptRow, LegRow, PaymentBook, RequestRow } from './payment-book.ts'

interface Written {
  attempts: number
  legs: number
  requests: number
}

/** A column of an update: its SQL type, and what it is set to; from none, it only identifies the row. */
type Column<Row> = readonly [name: string, type: string, value: (row: Row) => unknown]

const attemptKey: Column<AttemptRow>[] = [
  ['id', 'bigint', (row) => row.id],
  ['from_state', 'text', (row) => row.storedState],
  ['state', 'text', (row) => row.state],
  ['version', 'integer', (row) => row.version],
]
const attemptSet: Column<AttemptRow>[] = [
  ['retired', 'smallint', (row) => row.retired],
  ['gateway_ref', 'text', (row) => row.gatewayRef],
  ['reason', 'text', (row) => row.reason],
  ['look_at', 'timestamptz', (row) => row.lookAt],
]
const attemptSetWide: Column<AttemptRow>[] = [
  ...attemptSet,
  ['action', 'text', (row) => (row.action === null ? null : JSON.stringify(row.action))],
]
const legKey: Column<LegRow>[] = [
  ['id', 'bigint', (row) => row.id],
  ['from_state', 'text', (row) => row.storedState],
  ['state', 'text', (row) => row.state],
  ['version', 'integer', (row) => row.version],
]
const legSet: Column<LegRow>[] = [
  ['captured_minor', 'bigint', (row) => row.capturedMinor],
  ['refund_held_minor', 'bigint', (row) => row.refundHeldMinor],
  ['refunded_minor', 'bigint', (row) => row.refundedMinor],
  ['attempts', 'smallint', (row) => row.attempts],
  ['retry_at', 'timestamptz', (row) => row.retryAt],
]
const legSetWide: Column<LegRow>[] = [
  ...legSet,
  ['amount_minor', 'bigint', (row) => row.amountMinor],
  ['authorized_minor', 'bigint', (row) => row.authorizedMinor],
  ['capture_held_minor', 'bigint', (row) => row.captureHeldMinor],
  ['void_held_minor', 'bigint', (row) => row.voidHeldMinor],
  ['unneeded_minor', 'bigint', (row) => row.unneededMinor],
  ['disputed_minor', 'bigint', (row) => row.disputedMinor],
]
const requestKey: Column<RequestRow>[] = [
  ['id', 'bigint', (row) => row.id],
  ['from_state', 'text', (row) => row.storedState],
  ['state', 'text', (row) => row.state],
  ['version', 'integer', (row) => row.version],
]
const requestSetWide: Column<RequestRow>[] = [
  ['amount_minor', 'bigint', (row) => row.amountMinor],
  ['reduced_minor', 'bigint', (row) => row.reducedMinor],
  ['closed', 'bigint', (row) => row.closed],
  ['expires_at', 'timestamptz', (row) => row.expiresAt],
  ['goodwill_held_minor', 'bigint', (row) => row.goodwillHeldMinor],
  ['goodwill_minor', 'bigint', (row) => row.goodwillMinor],
]

interface Layout {
  readonly statement: Statement<Written>
  readonly attempts: readonly Column<AttemptRow>[]
  readonly legs: readonly Column<LegRow>[]
  readonly requests: readonly Column<RequestRow>[]
}

/**
 * Every changed row by compare-and-set on state and version, with the change log, in one statement. The counts say whether all
 * compares held: only an UPDATE by hand can break one, since everyone else waits for the request's lock. There are two
 * layouts of it: the narrow one has the columns that a plain charge changes, since each column of a batch is converted and parsed.
 */
function layoutOf(name: string, sets: { attempts: Column<AttemptRow>[]; legs: Column<LegRow>[]; requests: Column<RequestRow>[] }): Layout {
  let next = 1
  const update = <Row>(table: string, key: readonly Column<Row>[], set: readonly Column<Row>[]): string => {
    const all = [...key, ...set]
    const input = all.map(([, type]) => `$${next++}::${type}[]`).join(', ')
    const given = set
      .map(([column]) => `, ${column} = ${column === 'action' ? 'coalesce(input.action::json, attempt.action)' : `input.${column}`}`)
      .join('')
    return `update payments.${table} set state = input.state, version = ${table}.version + 1${given}
       from unnest(${input}) as input (${all.map(([column]) => column).join(', ')})
       where ${table}.id = input.id and ${table}.state = input.from_state and ${table}.version = input.version
       returning 1`
  }
  const attempts = update('attempt', attemptKey, sets.attempts)
  const legs = update('leg', legKey, sets.legs)
  const requests = update('request', requestKey, sets.requests)
  const text = `with attempts as (${attempts}), legs as (${legs}), requests as (${requests}), changes as (
     insert into payments.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select root, string_to_array(levels, ','), string_to_array(entities, ','), string_to_array(from_states, ','),
       string_to_array(to_states, ','), cause, command_id, actor, $${next + 8}, $${next + 9}, $${next + 10}
     from unnest($${next}::bigint[], $${next + 1}::text[], $${next + 2}::text[], $${next + 3}::text[], $${next + 4}::text[],
       $${next + 5}::text[], $${next + 6}::text[], $${next + 7}::text[])
       as input (root, levels, entities, from_states, to_states, cause, command_id, actor)
   )
   select (select count(*) from attempts)::integer as attempts, (select count(*) from legs)::integer as legs,
     (select count(*) from requests)::integer as requests`
  return {
    statement: statement<Written>(name, text),
    attempts: [...attemptKey, ...sets.attempts],
    legs: [...legKey, ...sets.legs],
    requests: [...requestKey, ...sets.requests],
  }
}

const narrow = layoutOf('payments.write_book', { attempts: attemptSet, legs: legSet, requests: [] })
const wide = layoutOf('payments.write_wide_book', { attempts: attemptSetWide, legs: legSetWide, requests: requestSetWide })

const insertFollowUps = statement(
  'payments.insert_follow_ups',
  `insert into payments.follow_up
     (id, kind, request_id, leg_id, attempt_id, gateway, charge_ref, amount_minor, last, stray, goodwill, reason, state, look_at, created_at)
   select *, $15::timestamptz from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
     $8::bigint[], $9::boolean[], $10::boolean[], $11::boolean[], $12::text[], $13::text[], $14::timestamptz[])`,
)

const updateFollowUps = statement<{ id: number }>(
  'payments.update_follow_ups',
  `update payments.follow_up set state = input.to_state, version = follow_up.version + 1, gateway_ref = input.gateway_ref,
     failure = input.failure, look_at = input.look_at, replaced_by = input.replaced_by
   from unnest($1::bigint[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::timestamptz[], $8::bigint[])
     as input (id, from_state, to_state, version, gateway_ref, failure, look_at, replaced_by)
   where follow_up.id = input.id and follow_up.state = input.from_state and follow_up.version = input.version
   returning follow_up.id`,
)

/** A row moved between our read and our write. Carries the code of a serialisation failure, so that the transaction runs again. */
class ChangedUnderneath extends Error {
  override readonly name = 'ChangedUnderneath'
  readonly code = '40001'
}

const column = <Row, Value>(rows: readonly Row[], value: (row: Row) => Value): Value[] => rows.map(value)
const columns = <Row>(rows: readonly Row[], layout: readonly Column<Row>[]): unknown[][] => layout.map(([, , value]) => rows.map(value))

/** `followUpIds`: one fresh id for each of the book's new follow-ups. */
export async function writeBook(context: WriteContext, book: PaymentBook, followUpIds: readonly number[]): Promise<void> {
  const fresh = book.newFollowUps
  invariant(followUpIds.length === fresh.length, 'each new follow-up needs its id')
  fresh.forEach((row, index) => {
    book.noteBirth(row.kind, row.requestId, followUpIds[index] ?? 0, ['requested', 'approved', 'sent'], row)
  })
  await writeRows(context, book)
  await writeFollowUps(context, book, followUpIds)
  await context.announce(book.events)
}

async function writeRows(context: WriteContext, book: PaymentBook): Promise<void> {
  const { changes } = book
  const attempts = [...book.changedAttempts]
  const legs = [...book.changedLegs]
  const requests = [...book.changedRequests]
  if (attempts.length + legs.length + requests.length + changes.length === 0) return
  const layout = book.wide ? wide : narrow
  const [written] = await context.query(layout.statement, [
    ...columns(attempts, layout.attempts),
    ...columns(legs, layout.legs),
    ...columns(requests, layout.requests),
    column(changes, (change) => change.root),
    column(changes, (change) => change.levels.join()),
    column(changes, (change) => change.entities.join()),
    column(changes, (change) => change.fromStates.join()),
    column(changes, (change) => change.toStates.join()),
    column(changes, (change) => change.cause),
    column(changes, (change) => change.commandId),
    column(changes, (change) => change.actor),
    context.traffic,
    context.rehearsalId,
    context.now,
  ])
  if (written?.attempts !== attempts.length || written.legs !== legs.length || written.requests !== requests.length) {
    throw new ChangedUnderneath('a payment row was changed by hand while a decision about it was being made')
  }
}

async function writeFollowUps(context: WriteContext, book: PaymentBook, ids: readonly number[]): Promise<void> {
  const fresh = book.newFollowUps
  if (fresh.length > 0) {
    context.defer(insertFollowUps, [
      ids,
      column(fresh, (row) => row.kind),
      column(fresh, (row) => row.requestId),
      column(fresh, (row) => row.legId),
      column(fresh, (row) => row.attemptId),
      column(fresh, (row) => row.gateway),
      column(fresh, (row) => row.chargeRef),
      column(fresh, (row) => row.amountMinor),
      column(fresh, (row) => row.last),
      column(fresh, (row) => row.stray),
      column(fresh, (row) => row.goodwill),
      column(fresh, (row) => row.reason),
      column(fresh, (row) => row.state),
      column(fresh, (row) => row.lookAt),
      context.now,
    ])
  }
  const changed = [...book.changedFollowUps]
  if (changed.length === 0) return
  const idOf = new Map(fresh.map((row, index) => [row, ids[index] ?? null]))
  const written = await context.query(updateFollowUps, [
    column(changed, (row) => row.id),
    column(changed, (row) => row.storedState),
    column(changed, (row) => row.state),
    column(changed, (row) => row.version),
    column(changed, (row) => row.gatewayRef),
    column(changed, (row) => row.failure),
    column(changed, (row) => row.lookAt),
    column(changed, (row) => (row.replacement === null ? null : (idOf.get(row.replacement) ?? null))),
  ])
  if (written.length !== changed.length)
    throw new ChangedUnderneath('a follow-up was changed by hand while a decision about it was being made')
}
