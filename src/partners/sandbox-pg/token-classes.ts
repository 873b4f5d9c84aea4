/**
 * What the sandbox does is chosen by the token, as real gateways do with their test cards. A token is a class name, or a
 * class name followed by `_` and anything (`tok_ok_4711`), so that tests can tell payers apart.
 */
export interface TokenClass {
  readonly about: string
  readonly charge: 'ok' | 'declined_soft' | 'declined_hard' | 'unreachable' | 'mixed'
  /** Does this only to the first charge of a reference; later ones are taken. */
  readonly firstOnly?: true
  /** `lost`: the work is done, or not, and no answer is ever given. */
  readonly answer?: 'lost' | 'slow'
  /** With a lost answer: nothing is charged either. */
  readonly chargesNothing?: true
  readonly refund?: 'pending' | 'failed' | 'lost'
}

export const tokenClasses: Readonly<Record<string, TokenClass>> = {
  tok_ok: { about: 'Taken.', charge: 'ok' },
  tok_declined_hard: { about: 'Declined for good.', charge: 'declined_hard' },
  tok_declined_soft: { about: 'Declined for now, every time.', charge: 'declined_soft' },
  tok_soft_once: { about: 'Declined for now the first time, then taken.', charge: 'declined_soft', firstOnly: true },
  tok_timeout_after_charge: { about: 'Taken, and never answered.', charge: 'ok', answer: 'lost' },
  tok_timeout_before_charge: { about: 'Neither taken nor answered.', charge: 'ok', answer: 'lost', chargesNothing: true },
  tok_timeout_before_once: {
    about: 'Neither taken nor answered the first time, then taken.',
    charge: 'ok',
    answer: 'lost',
    chargesNothing: true,
    firstOnly: true,
  },
  tok_unreachable: { about: 'The gateway says that it did nothing.', charge: 'unreachable' },
  tok_unreachable_once: {
    about: 'The gateway says that it did nothing, the first time; then taken.',
    charge: 'unreachable',
    firstOnly: true,
  },
  tok_slow: { about: 'Taken, and answered late.', charge: 'ok', answer: 'slow' },
  tok_mixed: { about: 'One of all of these, drawn by seed and key.', charge: 'mixed' },
  tok_refund_pending: { about: 'Taken; its refund is pending until asked about.', charge: 'ok', refund: 'pending' },
  tok_refund_failed: { about: 'Taken; its refund is refused.', charge: 'ok', refund: 'failed' },
  tok_refund_timeout: { about: 'Taken; its refund is done and never answered.', charge: 'ok', refund: 'lost' },
}

const names = Object.keys(tokenClasses).toSorted((a, b) => b.length - a.length)

export function classOf(token: string): TokenClass | undefined {
  const exact = tokenClasses[token]
  if (exact !== undefined) return exact
  // Longest name first: `tok_unreachable_once_7` is not a `tok_unreachable` called `once_7`.
  const name = names.find((candidate) => token.startsWith(`${candidate}_`))
  return name === undefined ? undefined : tokenClasses[name]
}

/** What `tok_mixed` draws from, in parts of 100. */
export const mixedShares: readonly (readonly [share: number, token: string])[] = [
  [86, 'tok_ok'],
  [4, 'tok_soft_once'],
  [2, 'tok_declined_hard'],
  [3, 'tok_timeout_after_charge'],
  [2, 'tok_timeout_before_once'],
  [2, 'tok_unreachable_once'],
  [1, 'tok_slow'],
]
