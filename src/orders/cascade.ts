import { type Flag, flagBits, type FoldedState, type ItemState, itemLifeCycle, rankOf } from './lifecycle.ts'

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
  /** What calls for a person, as a set of bits (`flagBits`). */
  readonly flags: number
}

export const emptyFold: Fold = {
  count: 0,
  live: 0,
  lowest: Number.POSITIVE_INFINITY,
  highest: Number.NEGATIVE_INFINITY,
  cancelled: 0,
  returned: 0,
  flags: 0,
}

/** Flags of an item that its own state says, beside those that were set on it. */
const flagsOfState = (state: ItemState): number => (state === 'delivery_failed' ? flagBits.failed_delivery : 0)

export function foldItem(state: ItemState, ownFlags = 0): Fold {
  const flags = ownFlags | flagsOfState(state)
  if (itemLifeCycle.states[state].end) {
    const returned = state === 'returned' || state === 'exchanged'
    return { ...emptyFold, count: 1, cancelled: state === 'cancelled' ? 1 : 0, returned: returned ? 1 : 0, flags }
  }
  const rank = rankOf(state)
  return { count: 1, live: 1, lowest: rank, highest: rank, cancelled: 0, returned: 0, flags }
}

export function joinFolds(a: Fold, b: Fold): Fold {
  return {
    count: a.count + b.count,
    live: a.live + b.live,
    lowest: Math.min(a.lowest, b.lowest),
    highest: Math.max(a.highest, b.highest),
    cancelled: a.cancelled + b.cancelled,
    returned: a.returned + b.returned,
    flags: a.flags | b.flags,
  }
}

const stateOfRank = new Map(itemLifeCycle.stateNames.map((state) => [rankOf(state), state as FoldedState]))

/** The rules of the cascade, first match first, each with the items that make it fit: `explain` names them. */
const rules: readonly {
  readonly fits: (fold: Fold) => boolean
  readonly state: (fold: Fold) => FoldedState
  readonly because: string
  readonly by: (state: ItemState, fold: Fold) => boolean
}[] = [
  { fits: ({ count }) => count === 0, state: () => 'draft', because: 'there is no item in it', by: () => false },
  {
    fits: ({ live, cancelled, count }) => live === 0 && cancelled === count,
    state: () => 'cancelled',
    because: 'every item is cancelled',
    by: () => true,
  },
  {
    fits: ({ live, returned }) => live === 0 && returned > 0,
    state: () => 'returned',
    because: 'nothing is under way any more and something came back',
    by: (state) => state === 'returned' || state === 'exchanged',
  },
  { fits: ({ live }) => live === 0, state: () => 'lost', because: 'nothing is under way any more', by: (state) => state === 'lost' },
  {
    fits: ({ lowest, returned }) => lowest >= 80 && returned > 0,
    state: () => 'partially_returned',
    because: 'all that is left was delivered, and something came back',
    by: (state) => state === 'returned' || state === 'exchanged',
  },
  {
    fits: ({ lowest }) => lowest === 90,
    state: () => 'confirmed',
    because: 'every live item is confirmed',
    by: (state) => rankOf(state) >= 0,
  },
  {
    fits: ({ lowest }) => lowest >= 80,
    state: () => 'delivered',
    because: 'every live item is delivered, not every one confirmed',
    by: (state) => state === 'delivered',
  },
  {
    fits: ({ highest }) => highest >= 80,
    state: () => 'partially_delivered',
    because: 'some items are delivered, others are not',
    by: (state) => rankOf(state) >= 0 && rankOf(state) < 80,
  },
  { fits: ({ lowest }) => lowest >= 60, state: () => 'shipped', because: 'every live item has left', by: (state) => rankOf(state) >= 0 },
  {
    fits: ({ highest }) => highest >= 60,
    state: () => 'partially_shipped',
    because: 'some items have left, others have not',
    by: (state) => rankOf(state) >= 0 && rankOf(state) < 60,
  },
  {
    fits: () => true,
    state: ({ lowest }) => stateOfRank.get(lowest) ?? 'draft',
    because: 'this is how far the item behind all others is',
    by: (state, { lowest }) => rankOf(state) === lowest,
  },
]

const ruleOf = (fold: Fold): (typeof rules)[number] => rules.find(({ fits }) => fits(fold)) as (typeof rules)[number]

/** The state of a section or an order: the first rule that fits. */
export const stateOfFold = (fold: Fold): FoldedState => ruleOf(fold).state(fold)

/** The same with its reason: the rule in words, and which states of items make it so. */
export function explainFold(fold: Fold): { state: FoldedState; because: string; by: (state: ItemState) => boolean } {
  const rule = ruleOf(fold)
  return { state: rule.state(fold), because: rule.because, by: (state) => rule.by(state, fold) }
}

export function foldStates(states: Iterable<ItemState>): Fold {
  let fold = emptyFold
  for (const state of states) fold = joinFolds(fold, foldItem(state))
  return fold
}

/** Names of the flags in a set of bits, in the order of their bits. */
export function flagNames(bits: number): Flag[] {
  if (bits === 0) return []
  return (Object.keys(flagBits) as Flag[]).filter((flag) => (bits & flagBits[flag]) !== 0)
}

export function bitsOf(names: Iterable<string>): number {
  let bits = 0
  for (const name of names) bits |= flagBits[name as Flag] ?? 0
  return bits
}
