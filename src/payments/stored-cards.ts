import { type ReadContext, statement } from '#platform/database.ts'
import type { LegWanted, PlanProblem } from './plan-legs.ts'

export interface StoredCardRow {
  readonly id: number
  readonly customerId: string
  readonly gateway: string
  readonly token: string
  readonly country: string
}

const findCards = statement<StoredCardRow>(
  'payments.find_cards',
  `select id, customer_id as "customerId", gateway, token, country from payments.card where id = any($1::bigint[]) and removed_at is null`,
)

const idOf = (token: string): number => {
  const id = /^card:([1-9]\d{0,15})$/.exec(token)?.[1]
  return id === undefined ? 0 : Number(id)
}

/** The stored cards that legs name as `card:<id>`, by id; no query when none does. */
export async function findNamedCards(context: ReadContext, tokens: readonly string[]): Promise<ReadonlyMap<number, StoredCardRow>> {
  const ids = tokens
    .filter((token) => token.startsWith('card:'))
    .map(idOf)
    .filter(Number.isSafeInteger)
  if (ids.length === 0) return new Map()
  return new Map((await context.query(findCards, [ids])).map((row) => [row.id, row]))
}

/** A leg by a stored card has that card's token and goes to its gateway. A card of somebody else is like one that is not there. */
export function withStoredCard(
  leg: LegWanted,
  at: number,
  customerId: string,
  cards: ReadonlyMap<number, StoredCardRow>,
): LegWanted | PlanProblem {
  if (leg.means !== 'card' || !leg.token.startsWith('card:')) return leg
  const card = cards.get(idOf(leg.token))
  if (card === undefined || card.customerId !== customerId) {
    return { problem: 'The customer has no such card.', at: `/legs/${at}/token` }
  }
  return { ...leg, token: card.token, gateway: card.gateway, country: card.country }
}
