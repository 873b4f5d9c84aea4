import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import { dueMinor, isSecured, keptOf, promisedMinor, settleUp } from './fold-request.ts'
import type { Choice } from './mixes.ts'
import { finishBook, type PaymentParts } from './parts.ts'
import type { Cause, LegRow, PaymentBook, RequestRow } from './payment-book.ts'
import type { PlannedLeg } from './payment-plan.ts'
import { legsOfPlan, type LegWanted } from './plan-legs.ts'
import { openBook } from './read-book.ts'
import type { PaymentRequested } from './request-payments.ts'
import { type NewAttempt, noteAttempt, sendAttempts } from './send-attempts.ts'
import { findNamedCards, type StoredCardRow, withStoredCard } from './stored-cards.ts'

/** A means, or several, for what of a request is still open: all of it, or a share of one payer of several. */
export interface PayPayment {
  readonly orderId: number
  readonly part: number
  /** One of them may leave its amount out and takes all that is open. */
  readonly legs: readonly PlannedLeg[]
  readonly actor: string
  readonly commandId: string
}

const insertLegs = statement(
  'payments.insert_legs',
  `insert into payments.leg (id, request_id, position, round, means, token, gateway, payer, instalments, due_at, country, mode, amount_minor,
     attempts, retry_at, state)
   select id, request_id, position, round, means, token, gateway, payer, instalments, due_at, country, mode, amount, attempts, due_at, 'created'
   from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::smallint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::smallint[],
       $10::timestamptz[], $11::text[], $12::text[], $13::bigint[], $14::smallint[])
     as input (id, request_id, position, round, means, token, gateway, payer, instalments, due_at, country, mode, amount, attempts)`,
)

interface Added {
  readonly leg: LegRow
  readonly wanted: LegWanted
}

/** Adds legs to living requests and asks for them. The legs of one command are one round: where all settle together, they fail together. */
export async function payPayments(
  parts: PaymentParts,
  context: WriteContext,
  commands: readonly PayPayment[],
): Promise<Outcome<PaymentRequested>[]> {
  const rules = parts.mixes.rules(context.traffic)
  const orderIds = commands.map((command) => command.orderId)
  const [, book] = await Promise.all([parts.mixes.refresh(context), openBook(context, rules, 'orders', orderIds)])
  const cards = await findNamedCards(
    context,
    commands.flatMap(({ legs }) => legs.map((leg) => leg.token ?? '')),
  )
  const ids = await parts.ids.take(
    context,
    commands.reduce((sum, { legs }) => sum + 2 * legs.length, 0),
  )
  let next = 0
  const takeId = (): number => ids[next++] ?? 0
  const added: Added[] = []
  const attempts: NewAttempt[] = []
  const outcomes = commands.map((command): Outcome<PaymentRequested> => {
    const request = requestOf(book, command)
    const chosen = chooseLegs(parts, context, { book, command, request, cards })
    if ('ok' in chosen) return chosen
    const by: Cause = { cause: 'another means', commandId: command.commandId, actor: command.actor }
    const was = isSecured(book, chosen.request)
    const fresh = addLegs(book, chosen, { takeId, by })
    added.push(...fresh.added)
    attempts.push(...fresh.attempts)
    for (const attempt of fresh.attempts) noteAttempt(parts, book, attempt)
    settleUp(book, chosen.request, { was, by })
    const { id: requestId, orderId, part, state } = chosen.request
    return accepted({ requestId, orderId, part, state })
  })
  if (added.length > 0) context.defer(insertLegs, parametersOf(added))
  sendAttempts(parts, context, book, attempts)
  await finishBook(parts, context, book)
  return outcomes
}

/** Also where a means is brought for a part by number: its living request. */
export function requestOf(
  book: PaymentBook,
  { orderId, part }: { readonly orderId: number; readonly part: number },
): RequestRow | undefined {
  for (const request of book.requests.values()) {
    if (request.orderId === orderId && request.part === part && request.closed === 0) return request
  }
  return undefined
}

export const requestNotFound = (): Outcome<never> =>
  refused(
    'payments.request_not_found',
    'No payment is asked for this part of this order: it does not exist, was cancelled, has expired, or was placed this very moment; then ask again.',
    '/orderId',
  )

interface Chosen {
  readonly request: RequestRow
  readonly legs: readonly { readonly wanted: LegWanted; readonly choice: Choice | null }[]
}

function chooseLegs(
  parts: PaymentParts,
  context: WriteContext,
  asked: {
    readonly book: PaymentBook
    readonly command: PayPayment
    readonly request: RequestRow | undefined
    readonly cards: ReadonlyMap<number, StoredCardRow>
  },
): Chosen | Outcome<never> {
  const { book, command, request, cards } = asked
  if (request === undefined) return requestNotFound()
  const open = openMinor(book, request)
  if (open.openMinor <= 0) return nothingOpen(request)
  const { settle, capture, storeId, currency, customerId } = request
  const wanted = legsOfPlan(command.legs, { settle, capture, ...open, share: true, now: context.now })
  if ('problem' in wanted) return refused('payments.bad_plan', wanted.problem, wanted.at, { openMinor: open.openMinor })
  const legs: { readonly wanted: LegWanted; readonly choice: Choice | null }[] = []
  const giveUp = (refusal: Outcome<never>): Outcome<never> => {
    for (const { choice } of legs) parts.mixes.release(choice)
    return refusal
  }
  for (const [at, each] of wanted.entries()) {
    const leg = withStoredCard(each, at, customerId, cards)
    if ('problem' in leg) return giveUp(refused('payments.unknown_card', leg.problem, leg.at))
    const { means, amountMinor, country, gateway: bound } = leg
    const choice = parts.mixes.choose(context, { storeId, means, amountMinor, currency, country, bound })
    if (choice === undefined) return giveUp(refused('payments.no_gateway', `No gateway of the store takes ${means}.`, `/legs/${at}/means`))
    if (leg.dueAt !== null) parts.mixes.release(choice)
    legs.push({ wanted: leg, choice: leg.dueAt === null ? choice : null })
  }
  return { request, legs }
}

/** What is neither taken nor set aside nor being asked for. Also while a retry is due: a second means beside it could take the money twice. */
function openMinor(book: PaymentBook, request: RequestRow): { openMinor: number; waiting: boolean } {
  let promised = 0
  let asked = 0
  for (const leg of book.legsOf(request)) {
    promised += promisedMinor(leg)
    if (book.mayBring(leg)) asked += leg.amountMinor
  }
  const need = Math.max(0, dueMinor(request) - request.goodwillHeldMinor)
  const waiting = request.capture === 'now' && request.settle === 'together' && promised + asked > 0
  return { openMinor: need - keptOf(book, request) - promised - asked, waiting }
}

function nothingOpen({ state }: RequestRow): Outcome<never> {
  if (state === 'covered' || state === 'overcovered') {
    return refused('payments.already_covered', 'This part of the order is paid.', '/orderId', { state })
  }
  return refused('payments.in_progress', 'All that is due is being asked for already; wait for its end.', '/orderId', { state })
}

function addLegs(
  book: PaymentBook,
  { request, legs }: Chosen,
  { takeId, by }: { readonly takeId: () => number; readonly by: Cause },
): { added: Added[]; attempts: NewAttempt[] } {
  const before = book.legsOf(request)
  let position = before.reduce((most, leg) => Math.max(most, leg.position), 0)
  const round = before.reduce((most, leg) => Math.max(most, leg.round), 0) + 1
  const added: Added[] = []
  const attempts: NewAttempt[] = []
  for (const { wanted, choice } of legs) {
    position += 1
    const leg = newLeg(takeId(), request, { wanted, position, round, attempts: choice === null ? 0 : 1 })
    book.addLeg(leg)
    book.noteBirth('leg', request.id, leg.id, ['created'], by)
    added.push({ leg, wanted })
    const attemptId = takeId()
    if (choice !== null) attempts.push({ id: attemptId, leg, choice, token: wanted.token, instalments: wanted.instalments, by })
  }
  return { added, attempts }
}

function newLeg(
  id: number,
  request: RequestRow,
  { wanted, position, round, attempts }: { wanted: LegWanted; position: number; round: number; attempts: number },
): LegRow {
  return {
    id,
    requestId: request.id,
    position,
    round,
    means: wanted.means,
    mode: wanted.mode,
    amountMinor: wanted.amountMinor,
    authorizedMinor: 0,
    captureHeldMinor: 0,
    voidHeldMinor: 0,
    unneededMinor: 0,
    disputedMinor: 0,
    capturedMinor: 0,
    refundHeldMinor: 0,
    refundedMinor: 0,
    attempts,
    retryAt: wanted.dueAt,
    state: 'created',
    storedState: 'created',
    version: 1,
  }
}

const parametersOf = (added: readonly Added[]): unknown[] => [
  added.map(({ leg }) => leg.id),
  added.map(({ leg }) => leg.requestId),
  added.map(({ leg }) => leg.position),
  added.map(({ leg }) => leg.round),
  added.map(({ leg }) => leg.means),
  added.map(({ wanted }) => wanted.token),
  added.map(({ wanted }) => wanted.gateway),
  added.map(({ wanted }) => wanted.payer),
  added.map(({ wanted }) => wanted.instalments),
  added.map(({ wanted }) => wanted.dueAt),
  added.map(({ wanted }) => wanted.country),
  added.map(({ leg }) => leg.mode),
  added.map(({ leg }) => leg.amountMinor),
  added.map(({ leg }) => leg.attempts),
]
