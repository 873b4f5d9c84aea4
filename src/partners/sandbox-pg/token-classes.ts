/**
 * What the sandbox does is chosen by the token, as real gateways do with their test cards. A token is a class name, or a
 * class name followed by `_` and anything (`tok_ok_4711`), so that tests can tell payers apart.
 */
export interface TokenClass {
  readonly about: string
  readonly charge: 'ok' | 'declined_soft' | 'declined_hard' | 'unreachable' | 'requires_action' | 'mixed'
  /** Does this only to the first charge of a reference; later ones are taken. */
  readonly firstOnly?: true
  /** Does this only at the gateway whose name follows; elsewhere it is taken. */
  readonly onlyAtNamed?: true
  /** `lost`: the work is done, or not, and no answer is ever given. */
  readonly answer?: 'lost' | 'slow'
  /** With a lost answer: nothing is charged either. */
  readonly chargesNothing?: true
  readonly capture?: 'failed' | 'lost'
  readonly void?: 'lost'
  readonly refund?: 'pending' | 'failed' | 'lost'
  /** Only from the gateway's form: what binding a card with it comes to. It can not be charged. */
  readonly binding?: 'bound' | 'requires_action' | 'refused'
}

export const tokenClasses: Readonly<Record<string, TokenClass>> = {
  tok_ok: { about: 'Taken.', charge: 'ok' },
  tok_declined_hard: { about: 'Declined for good.', charge: 'declined_hard' },
  tok_declined_soft: { about: 'Declined for now, every time.', charge: 'declined_soft' },
  tok_declined_soft_at: {
    about: 'With a gateway’s name behind it (`tok_declined_soft_at_borealis`): declined for now at that one, taken at all others.',
    charge: 'declined_soft',
    onlyAtNamed: true,
  },
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
  tok_mixed: { about: 'One of several of these, drawn by seed and order, in the shares of the gateway.', charge: 'mixed' },
  tok_3ds: { about: 'The customer must approve on the gateway’s page; until then it stays open.', charge: 'requires_action' },
  tok_3ds_frictionless: { about: 'Under 3-D Secure, but the issuer asks for nothing: taken.', charge: 'ok' },
  tok_capture_timeout: { about: 'Set aside; its capture is done and never answered.', charge: 'ok', capture: 'lost' },
  tok_capture_refused: { about: 'Set aside; its capture is refused.', charge: 'ok', capture: 'failed' },
  tok_void_timeout: { about: 'Set aside; its void is done and never answered.', charge: 'ok', void: 'lost' },
  tok_refund_pending: { about: 'Taken; its refund is pending until asked about.', charge: 'ok', refund: 'pending' },
  tok_refund_failed: { about: 'Taken; its refund is refused.', charge: 'ok', refund: 'failed' },
  tok_refund_timeout: { about: 'Taken; its refund is done and never answered.', charge: 'ok', refund: 'lost' },
  tok_form_ok: { about: 'From the card form: the card is kept. Can not be charged itself.', charge: 'declined_hard', binding: 'bound' },
  tok_form_3ds: {
    about: 'From the card form: kept once the customer has approved. Can not be charged itself.',
    charge: 'declined_hard',
    binding: 'requires_action',
  },
  tok_form_refused: { about: 'From the card form: not kept. Can not be charged itself.', charge: 'declined_hard', binding: 'refused' },
  tok_stored: { about: 'A kept card: taken.', charge: 'ok' },
}

// A map: a token named `constructor` must not find what every object has.
const classes = new Map(Object.entries(tokenClasses))
/** Longest name first: `tok_unreachable_once_7` is not a `tok_unreachable` called `once_7`. */
const prefixes = [...classes].toSorted(([a], [b]) => b.length - a.length).map(([name, behaviour]) => ({ prefix: `${name}_`, behaviour }))

export function classOf(token: string): TokenClass | undefined {
  return classes.get(token) ?? prefixes.find(({ prefix }) => token.startsWith(prefix))?.behaviour
}

/** Whether `tok_declined_soft_at_borealis` or `tok_declined_soft_at_borealis_7` names this gateway. */
export function namesGateway(token: string, gateway: string): boolean {
  const rest = token.slice('tok_declined_soft_at_'.length)
  return rest === gateway || rest.startsWith(`${gateway}_`)
}

export type MixedShares = readonly (readonly [share: number, token: string])[]

/** What `tok_mixed` draws from at the gateway `sandbox`, in parts of 100. */
export const mixedShares: MixedShares = [
  [86, 'tok_ok'],
  [4, 'tok_soft_once'],
  [2, 'tok_declined_hard'],
  [3, 'tok_timeout_after_charge'],
  [2, 'tok_timeout_before_once'],
  [2, 'tok_unreachable_once'],
  [1, 'tok_slow'],
]
