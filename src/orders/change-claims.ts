import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { Asked } from '#platform/operation.ts'
import { changeOrders } from './change-orders.ts'
import { type Claim, claimIn, claimLifeCycle, type ClaimState, orderOfClaim } from './claim-lifecycle.ts'
import type { AnswerClaimInput, ClaimChanged, InspectClaimInput, MoveClaimInput, WithdrawClaimInput } from './claim-schemas.ts'
import { inspectClaim } from './inspect-claim.ts'
import { editedEvent } from './edit-sections.ts'
import { type ItemState, itemLifeCycle } from './lifecycle.ts'
import { isOver, withClaim } from './open-claim.ts'
import { headOf, type Order } from './order.ts'
import { mostRows, takeRows } from './pick-rows.ts'
import type { Changed } from './schemas.ts'
import { refundRows, replaceRows } from './settle-claim.ts'
import { type Decision, settle, unchanged } from './settle.ts'

export interface ClaimDecision extends Decision {
  readonly claim: Claim
}

export const claimAnswer = (changed: Changed, { claim }: ClaimDecision): ClaimChanged => ({
  ...changed,
  claimId: claim.id,
  claimState: claim.state,
  itemNos: claim.items.map(({ itemNo }) => itemNo),
  newItemNos: claim.items.flatMap(({ newItemNo }) => newItemNo ?? []),
  refundedMinor: claim.refundedMinor,
})

const unknownClaim = (claimId: number): Outcome<never> => refused('orders.unknown_claim', `There is no claim ${claimId}.`, '/claimId')

/** Runs commands that name a claim; its id says whose order it is. */
async function changeClaims<I extends { readonly claimId: number }>(
  context: WriteContext,
  asked: readonly Asked<I>[],
  use: { readonly cause: (input: I) => string; readonly decide: (order: Order, claim: Claim, input: I) => Outcome<ClaimDecision> },
): Promise<Outcome<ClaimChanged>[]> {
  const results = await changeOrders<ClaimDecision>(
    context,
    asked.map(({ input, commandId, actor }) => ({
      orderId: orderOfClaim(input.claimId),
      cause: use.cause(input),
      commandId,
      actor: actor.id,
      detailed: true,
      decide(order: Order): Outcome<ClaimDecision> {
        const claim = headOf(order).claims.find(({ id }) => id === input.claimId)
        return claim === undefined ? unknownClaim(input.claimId) : use.decide(order, claim, input)
      },
    })),
  )
  return results.map(({ outcome, decision }, at) => {
    if (outcome.ok) return accepted(claimAnswer(outcome.value, decision as ClaimDecision))
    return outcome.error.code === 'orders.not_found' ? unknownClaim((asked[at] as Asked<I>).input.claimId) : outcome
  })
}

export const asItIs = (order: Order, claim: Claim): Outcome<ClaimDecision> => accepted({ ...unchanged(order), claim })

export const notPossible = (claim: Claim, to: ClaimState): Outcome<never> =>
  refused('orders.not_possible', `Claim ${claim.id} is ${claim.state} and can not become ${to}.`, '/claimId', { state: claim.state })

/** Approves or rejects claims. Approved pieces get rows of their own; claims without goods on the way back are settled by it. */
export const answerClaims = (context: WriteContext, asked: readonly Asked<AnswerClaimInput>[]): Promise<Outcome<ClaimChanged>[]> =>
  changeClaims(context, asked, {
    cause: ({ approve, reason }) => `claim ${approve ? 'approved' : 'rejected'}: ${reason}`,
    decide: answerClaim,
  })

export function answerClaim(
  order: Order,
  claim: Claim,
  { approve, refundShipping = false }: Pick<AnswerClaimInput, 'approve' | 'refundShipping'>,
): Outcome<ClaimDecision> {
  const to = approve ? 'approved' : 'rejected'
  if (claim.passed.includes(to)) return asItIs(order, claim)
  if (!claimLifeCycle.canMove(claim.state, to)) return notPossible(claim, to)
  if (!approve) return moved(order, claimIn(claim, 'rejected'))
  if (order.items.length + claim.items.length * 2 > mostRows) {
    return refused('orders.too_many_items', `An order has at most ${mostRows} rows; this one can not be divided further.`, '/claimId')
  }
  const picked = claim.items.flatMap(({ itemNo, quantity }) => {
    const item = order.items.find((each) => each.itemNo === itemNo)
    return item === undefined ? [] : [{ item, quantity, field: '/claimId' }]
  })
  const { order: split, taken, splits } = takeRows(order, picked)
  const granted: Claim = {
    ...claimIn(claim, 'approved'),
    refundShipping,
    items: claim.items.map((item, at) => ({ ...item, itemNo: taken[at] ?? item.itemNo })),
  }
  const edited = splits.length === 0 ? [] : [editedEvent(order, ['items'], splits)]
  if (claim.kind === 'return' || claim.kind === 'exchange') {
    return accepted({ ...settle(order, withClaim(split, granted), { splits, events: edited }), claim: granted })
  }
  const settled = granted.items.map(({ itemNo }, position) => ({
    item: split.items.find((item) => item.itemNo === itemNo) as Order['items'][number],
    position,
  }))
  const gone = settled.find(({ item }) => !mayBeSettled(item.state))
  if (gone !== undefined) {
    return refused('orders.not_claimable', `Item ${gone.item.itemNo} is ${gone.item.state} by now.`, '/claimId', {
      itemNo: gone.item.itemNo,
    })
  }
  const made =
    claim.kind === 'reship'
      ? replaceRows(split, split, { claim: granted, settled })
      : accepted(refundRows(split, split, { claim: granted, settled }))
  if (!made.ok) return made
  const completed = claimIn(made.value.claim, 'completed')
  const decision = settle(order, withClaim(made.value.order, completed), { splits, events: [...edited, ...made.value.events] })
  return accepted({ ...decision, claim: completed })
}

const mayBeSettled = (state: ItemState): boolean => isOver(state) || !itemLifeCycle.states[state].end

export function moved(order: Order, claim: Claim): Outcome<ClaimDecision> {
  return accepted({ ...settle(order, withClaim(order, claim)), claim })
}

/** Notes how far goods of claims are on their way back. What is overtaken or told again has no effect. */
export const moveClaims = (context: WriteContext, asked: readonly Asked<MoveClaimInput>[]): Promise<Outcome<ClaimChanged>[]> =>
  changeClaims(context, asked, {
    cause: ({ to }) => `claim ${to}`,
    decide: (order, claim, { to }) => moveClaim(order, claim, to),
  })

export interface MoveClaimCommand {
  readonly claimId: number
  readonly to: MoveClaimInput['to']
  readonly commandId: string
  readonly actor: string
}

/** The same for flows, such as one that books pickups. */
export const moveClaimsById = (context: WriteContext, commands: readonly MoveClaimCommand[]): Promise<Outcome<ClaimChanged>[]> =>
  moveClaims(
    context,
    commands.map(({ claimId, to, commandId, actor }) => ({
      input: { claimId, to },
      commandId,
      actor: { id: actor, scopes: [] },
      traceId: '',
    })),
  )

export function moveClaim(order: Order, claim: Claim, to: MoveClaimInput['to']): Outcome<ClaimDecision> {
  if (claim.state === to || isOvertaken(claim, to)) return asItIs(order, claim)
  if (!claimLifeCycle.canMove(claim.state, to)) return notPossible(claim, to)
  // Goods of these never come back.
  if (claim.kind === 'reship' || claim.kind === 'refund_only') return notPossible(claim, to)
  return moved(order, claimIn(claim, to))
}

const rankOf = (state: ClaimState): number => claimLifeCycle.states[state].rank ?? 100

function isOvertaken(claim: Claim, to: ClaimState): boolean {
  const withGoods = claim.passed.includes('received')
  return to !== 'sent_back' && (rankOf(to) < rankOf(claim.state) ? withGoods || !claimLifeCycle.states[claim.state].end : false)
}

/** Settles what came back by what was found: see inspect-claim.ts. */
export const inspectClaims = (context: WriteContext, asked: readonly Asked<InspectClaimInput>[]): Promise<Outcome<ClaimChanged>[]> =>
  changeClaims(context, asked, {
    cause: () => 'claim inspected',
    decide(order, claim, { items }) {
      if (claim.passed.includes('inspected')) return asItIs(order, claim)
      if (!claimLifeCycle.canMove(claim.state, 'inspected')) return notPossible(claim, 'inspected')
      return inspectClaim(order, claim, items)
    },
  })

/** Takes claims back, until the goods are received. */
export const withdrawClaims = (context: WriteContext, asked: readonly Asked<WithdrawClaimInput>[]): Promise<Outcome<ClaimChanged>[]> =>
  changeClaims(context, asked, {
    cause: ({ reason }) => `claim withdrawn: ${reason}`,
    decide(order, claim) {
      if (claim.state === 'withdrawn') return asItIs(order, claim)
      if (!claimLifeCycle.canMove(claim.state, 'withdrawn')) return notPossible(claim, 'withdrawn')
      return moved(order, claimIn(claim, 'withdrawn'))
    },
  })
