import { accepted, type Outcome } from '#kernel/outcome.ts'
import { statement, type WriteContext } from '#platform/database.ts'
import { type PaymentsFailed, paymentsFailed, paymentsMoved } from './events.ts'
import { later } from './fold-request.ts'
import type { RequestState } from './lifecycle.ts'
import type { Choice } from './mixes.ts'
import type { ChargeToMake, PaymentParts } from './parts.ts'
import { legsOfPlan, type LegWanted, type PlanProblem, type PlanRules, rulesOfPlan } from './plan-legs.ts'
import { nothingDue, type PaymentRequested, type RequestPayment } from './request-payments.ts'
import { findNamedCards, type StoredCardRow, withStoredCard } from './stored-cards.ts'

/** All that plans of any kind need, in one statement as well; the usual plan has a shorter one. */
const insertPlanned = statement<{ id: number }>(
  'payments.insert_planned',
  `with requests as (
     insert into payments.request (id, order_id, part, store_id, customer_id, currency, amount_minor, settle, capture, release_minor,
       expires_at, state, created_at)
     select id, order_id, part, store_id, customer_id, currency, amount, settle, capture, release, expires_at, state, $13
     from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[],
         $10::bigint[], $11::timestamptz[], $12::text[])
       as input (id, order_id, part, store_id, customer_id, currency, amount, settle, capture, release, expires_at, state)
     on conflict (order_id, part, closed) do nothing
     returning id
   ), legs as (
     insert into payments.leg (id, request_id, position, means, token, gateway, payer, instalments, due_at, country, mode, amount_minor,
       attempts, retry_at, state)
     select id, request_id, position, means, token, gateway, payer, instalments, due_at, country, mode, amount, attempts, due_at, 'created'
     from unnest($14::bigint[], $15::bigint[], $16::smallint[], $17::text[], $18::text[], $19::text[], $20::text[], $21::smallint[],
         $22::timestamptz[], $23::text[], $24::text[], $25::bigint[], $26::smallint[])
       as input (id, request_id, position, means, token, gateway, payer, instalments, due_at, country, mode, amount, attempts)
     where request_id in (select id from requests)
   ), attempts as (
     insert into payments.attempt (id, leg_id, request_id, sequence, gateway, amount_minor, mix_version, state, sent_at, look_at)
     select id, leg_id, request_id, 1, gateway, amount, mix_version, 'sent', $13, $33
     from unnest($27::bigint[], $28::bigint[], $29::bigint[], $30::text[], $31::bigint[], $32::integer[])
       as input (id, leg_id, request_id, gateway, amount, mix_version)
     where request_id in (select id from requests)
   ), changes as (
     insert into payments.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select root, string_to_array(levels, ','), string_to_array(entities, ','), string_to_array(from_states, ','),
       string_to_array(to_states, ','), 'payment requested', command_id, actor, $41, $42, $13
     from unnest($34::bigint[], $35::text[], $36::text[], $37::text[], $38::text[], $39::text[], $40::text[])
       as input (root, levels, entities, from_states, to_states, command_id, actor)
     where root in (select id from requests)
   )
   select id from requests`,
)

interface PlannedLegRow {
  readonly leg: LegWanted
  readonly legId: number
  readonly attemptId: number
  /** null: it is not asked for yet. */
  readonly choice: Choice | null
}

interface PlannedRequest {
  readonly id: number
  readonly command: RequestPayment
  readonly rules: PlanRules
  readonly legs: readonly PlannedLegRow[]
  readonly state: RequestState
  readonly problem: PlanProblem | undefined
}

/** As `requestPayments`, for plans beyond one means that is charged at once. undefined: it was asked before. */
export async function requestPlanned(
  parts: PaymentParts,
  context: WriteContext,
  commands: readonly RequestPayment[],
): Promise<(Outcome<PaymentRequested> | undefined)[]> {
  const cards = await findNamedCards(
    context,
    commands.flatMap(({ plan }) => plan?.legs.map((leg) => leg.token ?? '') ?? []),
  )
  const ids = await parts.ids.take(
    context,
    commands.reduce((sum, { plan }) => sum + 1 + 2 * (plan?.legs.length ?? 0), 0),
  )
  let next = 0
  const rows = commands.map((command) => planRequest(parts, context, { command, cards, takeId: () => ids[next++] ?? 0 }))
  const inserted = await context.query(insertPlanned, parametersOf(parts, context, rows))
  const born = new Set(inserted.map((row) => row.id))
  const living = rows.filter((row) => born.has(row.id))
  await announceBirths(context, living)
  const calls = living.flatMap((row) =>
    row.legs.flatMap(({ leg, attemptId, choice }): ChargeToMake[] => {
      if (choice === null) return []
      parts.mixes.sent(context.traffic, attemptId, choice)
      const { currency, orderId, part, customerId } = row.command
      const { mode, means, token, amountMinor, instalments } = leg
      return [{ attemptId, mode, gateway: choice.gateway, means, token, amountMinor, currency, orderId, part, customerId, instalments }]
    }),
  )
  if (calls.length > 0) context.afterCommit(() => parts.handOff.charges(context, calls))
  return rows.map((row) => {
    const { orderId, part } = row.command
    if (born.has(row.id)) return accepted({ requestId: row.id, orderId, part, state: row.state })
    for (const { choice } of row.legs) parts.mixes.release(choice)
    return undefined
  })
}

interface Planning {
  readonly command: RequestPayment
  readonly cards: ReadonlyMap<number, StoredCardRow>
  readonly takeId: () => number
}

function planRequest(parts: PaymentParts, context: WriteContext, { command, cards, takeId }: Planning): PlannedRequest {
  const id = takeId()
  const rules = rulesOfPlan(command.plan)
  const chosen = command.amountMinor === 0 ? [] : chooseLegs(parts, context, { command, cards, rules })
  const problem = 'problem' in chosen ? chosen : undefined
  const legs = 'problem' in chosen ? [] : chosen.map((row) => ({ ...row, legId: takeId(), attemptId: takeId() }))
  const asked = legs.some(({ choice }) => choice !== null)
  return { id, command, rules, legs, problem, state: command.amountMinor === 0 ? 'covered' : asked ? 'processing' : 'open' }
}

function chooseLegs(
  parts: PaymentParts,
  context: WriteContext,
  { command, cards, rules }: Omit<Planning, 'takeId'> & { readonly rules: PlanRules },
): { leg: LegWanted; choice: Choice | null }[] | PlanProblem {
  const { amountMinor: openMinor, plan, storeId, currency, customerId } = command
  const wanted = legsOfPlan(plan?.legs ?? [], { ...rules, openMinor, share: false, waiting: false, now: context.now })
  if ('problem' in wanted) return wanted
  let prefer: string | null = null
  const chosen: { leg: LegWanted; choice: Choice | null }[] = []
  for (const [at, each] of wanted.entries()) {
    const leg = withStoredCard(each, at, customerId, cards)
    if ('problem' in leg) return giveUp(parts, chosen, leg)
    const { means, amountMinor, country, gateway: bound } = leg
    const choice = parts.mixes.choose(context, { storeId, means, amountMinor, currency, country, bound, prefer })
    if (choice === undefined)
      return giveUp(parts, chosen, {
        problem: `No gateway of the store takes ${means}${bound === null ? '' : ` at ${bound}`}.`,
        at: `/legs/${at}`,
      })
    // Sticky: a payment by two cards goes to one gateway where it can.
    if (means === 'card') prefer = choice.gateway
    // An instalment of a later day is chosen for on that day.
    if (leg.dueAt !== null) parts.mixes.release(choice)
    chosen.push({ leg, choice: leg.dueAt === null ? choice : null })
  }
  return chosen
}

function giveUp(parts: PaymentParts, chosen: readonly { readonly choice: Choice | null }[], problem: PlanProblem): PlanProblem {
  for (const { choice } of chosen) parts.mixes.release(choice)
  return problem
}

function parametersOf(parts: PaymentParts, context: WriteContext, rows: readonly PlannedRequest[]): unknown[] {
  const legs = rows.flatMap((row) => row.legs.map((each, index) => ({ ...each, requestId: row.id, position: index + 1 })))
  const attempts = legs.flatMap((each) => (each.choice === null ? [] : [{ ...each, choice: each.choice }]))
  const steps = rows.map(stepsOf)
  return [
    rows.map(({ id }) => id),
    rows.map(({ command }) => command.orderId),
    rows.map(({ command }) => command.part),
    rows.map(({ command }) => command.storeId),
    rows.map(({ command }) => command.customerId),
    rows.map(({ command }) => command.currency),
    rows.map(({ command }) => command.amountMinor),
    rows.map(({ rules }) => rules.settle),
    rows.map(({ rules }) => rules.capture),
    rows.map(({ rules }) => rules.releaseMinor),
    // What is secured at birth can not expire.
    rows.map(({ rules, command }) => (isFree(command, rules) ? null : rules.expiresAt)),
    rows.map(({ state }) => state),
    context.now,
    legs.map(({ legId }) => legId),
    legs.map(({ requestId }) => requestId),
    legs.map(({ position }) => position),
    legs.map(({ leg }) => leg.means),
    legs.map(({ leg }) => leg.token),
    legs.map(({ leg }) => leg.gateway),
    legs.map(({ leg }) => leg.payer),
    legs.map(({ leg }) => leg.instalments),
    legs.map(({ leg }) => leg.dueAt),
    legs.map(({ leg }) => leg.country),
    legs.map(({ leg }) => leg.mode),
    legs.map(({ leg }) => leg.amountMinor),
    legs.map(({ choice }) => (choice === null ? 0 : 1)),
    attempts.map(({ attemptId }) => attemptId),
    attempts.map(({ legId }) => legId),
    attempts.map(({ requestId }) => requestId),
    attempts.map(({ choice }) => choice.gateway),
    attempts.map(({ leg }) => leg.amountMinor),
    attempts.map(({ choice }) => choice.mixVersion),
    later(context.now, parts.times.safeDelayMs),
    rows.map(({ id }) => id),
    steps.map((step) => step.map(([level]) => level).join()),
    steps.map((step) => step.map(([, entity]) => entity).join()),
    steps.map((step) => step.map(([, , from]) => from).join()),
    steps.map((step) => step.map(([, , , to]) => to).join()),
    rows.map(({ command }) => command.commandId),
    rows.map(({ command }) => command.actor),
    context.traffic,
    context.rehearsalId,
  ]
}

type Step = readonly [level: string, entity: number, from: string, to: string]

function stepsOf({ id, legs, state }: PlannedRequest): Step[] {
  const steps: Step[] = [['request', id, '', 'open']]
  for (const { legId, attemptId, choice } of legs) {
    steps.push(['leg', legId, '', 'created'])
    if (choice !== null) steps.push(['attempt', attemptId, '', 'created'], ['attempt', attemptId, 'created', 'sent'])
  }
  if (state !== 'open') steps.push(['request', id, 'open', state])
  return steps
}

const isFree = ({ amountMinor }: RequestPayment, { settle, releaseMinor }: PlanRules): boolean =>
  amountMinor === 0 || (settle === 'apart' && releaseMinor === 0)

async function announceBirths(context: WriteContext, rows: readonly PlannedRequest[]): Promise<void> {
  await context.announce(
    rows.flatMap(({ id, command, rules, problem }) => {
      const key = String(command.orderId)
      const events = []
      if (isFree(command, rules)) events.push({ key, type: paymentsMoved, payload: nothingDue(command, id) })
      if (problem !== undefined) {
        const { orderId, part, plan } = command
        const means = plan?.legs[0]?.means ?? 'card'
        const payload: PaymentsFailed = { requestId: id, orderId, part, means, reason: problem.problem }
        events.push({ key, type: paymentsFailed, payload })
      }
      return events
    }),
  )
}
