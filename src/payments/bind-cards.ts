import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { type ContextDatabase, type ReadContext, type Scope, statement, type WriteContext } from '#platform/database.ts'
import { type BindCardResult, type CustomerAction, keyOf } from './gateway.ts'
import { type BindingState, bindingCycle } from './lifecycle.ts'
import type { PaymentParts } from './parts.ts'

export interface BindCard {
  readonly customerId: string
  readonly gateway: string
  /** One-time token of the gateway's form; never a card number. */
  readonly token: string
  readonly returnUrl: string
  readonly actor: string
  readonly commandId: string
}

export interface BindingView {
  readonly bindingId: number
  readonly customerId: string
  readonly gateway: string
  readonly state: BindingState
  readonly action: CustomerAction | null
  readonly cardId: number | null
  readonly reason: string | null
}

interface BindingRow extends BindingView {
  readonly token: string
  readonly returnUrl: string
  readonly gatewayRef: string | null
  readonly version: number
}

const insertBindings = statement(
  'payments.insert_bindings',
  `with bindings as (
     insert into payments.binding (id, customer_id, gateway, token, return_url, state, created_at)
     select *, 'sent', $8::timestamptz from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[])
   )
   insert into payments.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
   select id, array['binding'], array[id::text], array[''], array['sent'], 'card to keep', command_id, actor, $9, $10, $8
   from unnest($1::bigint[], $6::text[], $7::text[]) as input (id, command_id, actor)`,
)

const bindingColumns = `binding.id as "bindingId", binding.customer_id as "customerId", binding.gateway, binding.state, binding.action,
  binding.card_id as "cardId", binding.reason, binding.token, binding.return_url as "returnUrl", binding.gateway_ref as "gatewayRef", binding.version`

const readBindings = statement<BindingRow>(
  'payments.read_bindings',
  `select ${bindingColumns} from payments.binding where binding.id = any($1::bigint[])`,
)

const finishBinding = statement<{ id: number }>(
  'payments.finish_binding',
  `with card as (
     insert into payments.card (id, customer_id, gateway, token, brand, last_four, expires, country, created_at)
     select $7, customer_id, gateway, $8, $9, $10, $11, $12, $13 from payments.binding
     where binding.id = $1 and binding.state = $2 and binding.version = $3 and $8::text is not null
     on conflict (customer_id, gateway, token) do update set removed_at = null, expires = excluded.expires
     returning id
   ), moved as (
     update payments.binding set state = $4, version = version + 1, action = $5, gateway_ref = coalesce($6, gateway_ref), reason = $14,
       card_id = (select id from card)
     where binding.id = $1 and binding.state = $2 and binding.version = $3
     returning binding.id
   ), changes as (
     insert into payments.change (root, levels, entities, from_states, to_states, cause, command_id, actor, traffic, rehearsal_id, occurred_at)
     select id, array['binding'], array[id::text], array[$2::text], array[$4::text], 'answer', 'binding ' || id, 'system:payments', $15, $16, $13
     from moved
   )
   select id from moved`,
)

/** Asks gateways to keep cards. The calls are made after the commit; `finishBindings` tells what became of them. */
export async function bindCards(
  parts: PaymentParts,
  context: WriteContext,
  commands: readonly BindCard[],
): Promise<Outcome<BindingView>[]> {
  const problems = commands.map(({ gateway }) => {
    const found = parts.gateways.get(gateway)
    if (found === undefined) return refused('payments.unknown_gateway', `There is no gateway ${gateway} here.`, '/gateway')
    return found.bindCard === undefined ? refused('payments.cannot_bind', `The gateway ${gateway} keeps no cards.`, '/gateway') : undefined
  })
  const good = commands.filter((_, at) => problems[at] === undefined)
  if (good.length === 0) return problems.map((problem) => problem ?? refused('payments.cannot_bind', 'Nothing was asked.'))
  const ids = await parts.ids.take(context, good.length)
  await context.query(insertBindings, [
    ids,
    good.map(({ customerId }) => customerId),
    good.map(({ gateway }) => gateway),
    good.map(({ token }) => token),
    good.map(({ returnUrl }) => returnUrl),
    good.map(({ commandId }) => commandId),
    good.map(({ actor }) => actor),
    context.now,
    context.traffic,
    context.rehearsalId,
  ])
  context.afterCommit(() => parts.handOff.bindings(context, ids))
  let next = 0
  return commands.map(({ customerId, gateway }, at): Outcome<BindingView> => {
    const problem = problems[at]
    if (problem !== undefined) return problem
    return accepted({ bindingId: ids[next++] ?? 0, customerId, gateway, state: 'sent', action: null, cardId: null, reason: null })
  })
}

/** Where bindings stand. One without an end is asked about again after the commit: ask once more to see what came of it. */
export async function finishBindings(
  parts: PaymentParts,
  context: WriteContext,
  commands: readonly { readonly customerId: string; readonly bindingId: number }[],
): Promise<Outcome<BindingView>[]> {
  const rows = await context.query(readBindings, [commands.map(({ bindingId }) => bindingId)])
  const open = rows.filter(({ state }) => bindingCycle.states[state].end !== true).map(({ bindingId }) => bindingId)
  if (open.length > 0) context.afterCommit(() => parts.handOff.bindings(context, open))
  return commands.map(({ customerId, bindingId }): Outcome<BindingView> => {
    const row = rows.find((each) => each.bindingId === bindingId && each.customerId === customerId)
    if (row === undefined) return refused('payments.unknown_binding', 'The customer has no such card on its way.', '/bindingId')
    const { gateway, state, action, cardId, reason } = row
    return accepted({ bindingId, customerId, gateway, state, action: state === 'requires_action' ? action : null, cardId, reason })
  })
}

/** Makes the call of one binding, outside any transaction, and writes what came of it. Repeating it does no harm: the key is the same. */
export async function askForBinding(parts: PaymentParts, database: ContextDatabase, scope: Scope, bindingId: number): Promise<void> {
  const [row] = await database.read(scope, (context) => context.query(readBindings, [[bindingId]]))
  const gateway = row === undefined ? undefined : parts.gateways.get(row.gateway)
  if (row === undefined || gateway === undefined || bindingCycle.states[row.state].end) return
  const { traffic, rehearsalId } = scope
  const call = { key: keyOf(parts.installation, traffic, 'bind', bindingId), traffic, rehearsalId }
  const { customerId, token, returnUrl, gatewayRef } = row
  const asked =
    gatewayRef === null ? gateway.bindCard?.({ ...call, customerId, token, returnUrl }) : gateway.finishBinding?.({ ...call, gatewayRef })
  const result = await asked
  if (result === undefined || result.outcome === row.state || !bindingCycle.canMove(row.state, stateOf(result))) return
  await database.write(scope, (context) => writeResult(parts, context, row, result))
}

const stateOf = ({ outcome }: BindCardResult): BindingState => outcome

async function writeResult(parts: PaymentParts, context: WriteContext, row: BindingRow, result: BindCardResult): Promise<void> {
  const card = result.outcome === 'bound' ? result.card : null
  const [cardId] = card === null ? [null] : await parts.ids.take(context, 1)
  await context.query(finishBinding, [
    row.bindingId,
    row.state,
    row.version,
    stateOf(result),
    result.outcome === 'requires_action' ? JSON.stringify(result.action) : null,
    result.outcome === 'requires_action' ? result.gatewayRef : null,
    cardId,
    card?.token ?? null,
    card?.brand ?? null,
    card?.lastFour ?? null,
    card?.expires ?? null,
    card?.country ?? null,
    context.now,
    'reason' in result ? result.reason : null,
    context.traffic,
    context.rehearsalId,
  ])
}

/** A kept card as its customer sees it; a plan names it as `card:<cardId>`. */
export interface CardView {
  readonly cardId: number
  readonly gateway: string
  readonly brand: string
  readonly lastFour: string
  /** `YYYY-MM`. */
  readonly expires: string
  /** ISO 3166-1 alpha-2, '' where the gateway does not tell. */
  readonly country: string
}

const listCards = statement<CardView & { customerId: string }>(
  'payments.list_cards',
  `select id as "cardId", customer_id as "customerId", gateway, brand, last_four as "lastFour", expires, country
   from payments.card where customer_id = any($1::text[]) and removed_at is null order by id`,
)

const removeCard = statement<{ id: number; customerId: string }>(
  'payments.remove_cards',
  `update payments.card set removed_at = coalesce(removed_at, $3) from unnest($1::bigint[], $2::text[]) as input (id, customer_id)
   where card.id = input.id and card.customer_id = input.customer_id returning card.id, card.customer_id as "customerId"`,
)

export async function listCardsOf(context: ReadContext, customerIds: readonly string[]): Promise<CardView[][]> {
  const rows = await context.query(listCards, [customerIds])
  return customerIds.map((wanted) => rows.filter((row) => row.customerId === wanted).map(({ customerId: _, ...card }) => card))
}

/** A removed card is not offered and not used any more; payments made with it can still be refunded. Removing it again is no error. */
export async function removeCards(
  context: WriteContext,
  commands: readonly { readonly customerId: string; readonly cardId: number }[],
): Promise<Outcome<{ cardId: number }>[]> {
  const rows = await context.query(removeCard, [
    commands.map(({ cardId }) => cardId),
    commands.map(({ customerId }) => customerId),
    context.now,
  ])
  const gone = new Set(rows.map(({ id, customerId }) => `${id} ${customerId}`))
  return commands.map(({ cardId, customerId }) =>
    gone.has(`${cardId} ${customerId}`)
      ? accepted({ cardId })
      : refused('payments.unknown_card', 'The customer has no such card.', '/cardId'),
  )
}
