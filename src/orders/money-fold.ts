import type { MoneyState } from './lifecycle.ts'
import type { Part } from './order.ts'

/** Sums over payment parts, minor units. They add up, so they fold: parts → sections → order. */
export interface MoneyFold {
  readonly dueMinor: number
  readonly authorizedMinor: number
  readonly capturedMinor: number
  readonly refundedMinor: number
  readonly goodwillMinor: number
}

export const emptyMoney: MoneyFold = { dueMinor: 0, authorizedMinor: 0, capturedMinor: 0, refundedMinor: 0, goodwillMinor: 0 }

/**
 * What a part amounts to. Due is the larger of what payments were last asked and what the order asks now: a raise that payments
 * have not heard of is owed already, and what was cancelled counts as theirs until they have given it up.
 */
export function foldPart({ askedMinor, told }: Part): MoneyFold {
  if (told === undefined) return { ...emptyMoney, dueMinor: askedMinor }
  return told.dueMinor >= askedMinor ? told : { ...told, dueMinor: askedMinor }
}

export function joinMoney(a: MoneyFold, b: MoneyFold): MoneyFold {
  return {
    dueMinor: a.dueMinor + b.dueMinor,
    authorizedMinor: a.authorizedMinor + b.authorizedMinor,
    capturedMinor: a.capturedMinor + b.capturedMinor,
    refundedMinor: a.refundedMinor + b.refundedMinor,
    goodwillMinor: a.goodwillMinor + b.goodwillMinor,
  }
}

/** The money state of a section or an order: the first rule that fits. Goodwill is a gift: it counts as given back, and does not open a debt. */
export function moneyStateOf({ dueMinor, authorizedMinor, capturedMinor, refundedMinor, goodwillMinor }: MoneyFold): MoneyState {
  if (authorizedMinor + capturedMinor === 0) return 'none'
  if (authorizedMinor === 0 && refundedMinor >= capturedMinor) return 'refunded'
  const inHandMinor = authorizedMinor + capturedMinor - (refundedMinor - goodwillMinor)
  if (inHandMinor > dueMinor) return 'over'
  if (refundedMinor > 0) return 'partially_refunded'
  if (capturedMinor >= dueMinor) return 'captured'
  return inHandMinor >= dueMinor ? 'authorized' : 'partial'
}

export function foldParts(parts: readonly Part[], of?: (part: Part) => boolean): MoneyFold {
  // Most orders have one part, and every change of theirs folds it.
  const only = parts.length === 1 ? parts[0] : undefined
  if (only !== undefined && (of === undefined || of(only))) return foldPart(only)
  return parts
    .filter((part) => of?.(part) ?? true)
    .map(foldPart)
    .reduce(joinMoney, emptyMoney)
}
