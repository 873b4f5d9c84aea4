import { type FoldedState, type ItemState, itemLifeCycle, rankOf } from './lifecycle.ts'

/**
 * What a set of items amounts to. Folds form a monoid (`empty`, `join`), so that items → sections → order gives the same
 * result as any other grouping; a property test holds us to that.
 */
export interface Fold {
  readonly count: number
  readonly live: number
  /** Lowest and highest rank among live items. */
  readonly lowest: number
  readonly highest: number
  readonly cancelled: number
  readonly returned: number
}

export const emptyFold: Fold = {
  count: 0,
  live: 0,
  lowest: Number.POSITIVE_INFINITY,
  highest: Number.NEGATIVE_INFINITY,
  cancelled: 0,
  returned: 0,
}

export function foldItem(state: ItemState): Fold {
  if (itemLifeCycle.states[state].end) {
    const returned = state === 'returned' || state === 'exchanged'
    return { ...emptyFold, count: 1, cancelled: state === 'cancelled' ? 1 : 0, returned: returned ? 1 : 0 }
  }
  const rank = rankOf(state)
  return { count: 1, live: 1, lowest: rank, highest: rank, cancelled: 0, returned: 0 }
}

export function joinFolds(a: Fold, b: Fold): Fold {
  return {
    count: a.count + b.count,
    live: a.live + b.live,
    lowest: Math.min(a.lowest, b.lowest),
    highest: Math.max(a.highest, b.highest),
    cancelled: a.cancelled + b.cancelled,
    returned: a.returned + b.returned,
  }
}

const stateOfRank = new Map(itemLifeCycle.stateNames.map((state) => [rankOf(state), state as FoldedState]))

/** The state of a section or an order: the first rule that fits. */
export function stateOfFold({ count, live, lowest, highest, cancelled, returned }: Fold): FoldedState {
  if (count === 0) return 'draft'
  if (live === 0 && cancelled === count) return 'cancelled'
  if (live === 0) return returned > 0 ? 'returned' : 'lost'
  if (lowest >= 80 && returned > 0) return 'partially_returned'
  if (lowest === 90) return 'confirmed'
  if (lowest >= 80) return 'delivered'
  if (highest >= 80) return 'partially_delivered'
  if (lowest >= 60) return 'shipped'
  if (highest >= 60) return 'partially_shipped'
  return stateOfRank.get(lowest) ?? 'draft'
}

export function foldStates(states: Iterable<ItemState>): Fold {
  let fold = emptyFold
  for (const state of states) fold = joinFolds(fold, foldItem(state))
  return fold
}
