import { type Static, Type } from 'typebox'
import { type Outcome, refused } from '#kernel/outcome.ts'
import { meansNames } from './payment-plan.ts'
import { refundPolicies } from './refund-plan.ts'

const closed = { additionalProperties: false }
const feeMost = 1_000_000

export const strategies = ['ratio', 'priority', 'cheapest', 'card_country', 'amount'] as const

/** One gateway of a mix, with what its strategy asks of it. */
export const gatewayLine = Type.Object(
  {
    gateway: Type.String({ minLength: 1, maxLength: 40, description: 'name of a gateway of this installation' }),
    weight: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, description: 'ratio: its share is its weight by the sum of all' })),
    feeBasisPoints: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 10_000, description: 'cheapest: hundredths of a percent of the amount' }),
    ),
    feeFixedMinor: Type.Optional(Type.Integer({ minimum: 0, maximum: feeMost, description: 'cheapest: minor units for each payment' })),
    means: Type.Optional(Type.Enum([...meansNames], { description: 'cheapest: the means that this fee is for; any unless told' })),
    currency: Type.Optional(
      Type.String({ pattern: '^[A-Z]{3}$', description: 'cheapest: the currency that this fee is for; any unless told' }),
    ),
    countries: Type.Optional(
      Type.Array(Type.String({ pattern: '^[A-Z]{2}$' }), {
        minItems: 1,
        maxItems: 250,
        description: 'card_country: where cards are from that it takes; a line without takes the others',
      }),
    ),
    fromMinor: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000_000_000, description: 'amount: from this on' })),
    untilMinor: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000_000_001, description: 'amount: below this' })),
  },
  closed,
)
export type GatewayLine = Static<typeof gatewayLine>

/** Which gateways a store pays by, and how money goes back. */
export const gatewayMix = Type.Object(
  {
    strategy: Type.Enum([...strategies], {
      description:
        'ratio: by weight, each within one payment of its share; priority: in the order given; cheapest: by fee; card_country: by the country of a stored card; amount: by bands. Those that come later in rank take over after a soft decline or when one can not be reached.',
    }),
    gateways: Type.Array(gatewayLine, { minItems: 1, maxItems: 40 }),
    refundPolicy: Type.Optional(
      Type.Enum([...refundPolicies], { description: 'from which means money goes back first; last_first unless told' }),
    ),
    failedRefund: Type.Optional(
      Type.Enum(['wallet', 'manual'], {
        description: 'a refund that its gateway will not do: credited to the customer’s wallet, or left to a person (unless told)',
      }),
    ),
  },
  closed,
)
export type GatewayMix = Static<typeof gatewayMix>

/** What a mix must keep to beyond its schema; the field is named. */
export function problemOfMix(mix: GatewayMix, known: (gateway: string) => boolean): Outcome<never> | undefined {
  const seen = new Set<string>()
  for (const [at, line] of mix.gateways.entries()) {
    const field = `/mix/gateways/${at}`
    if (!known(line.gateway)) return refused('payments.unknown_gateway', `There is no gateway ${line.gateway} here.`, `${field}/gateway`)
    // Fees and bands may need several lines for one gateway; elsewhere a second line would only hide the first.
    const several = mix.strategy === 'cheapest' || mix.strategy === 'amount'
    if (!several && seen.has(line.gateway)) {
      return refused('payments.bad_mix', `The gateway ${line.gateway} is there twice.`, `${field}/gateway`)
    }
    seen.add(line.gateway)
    const problem = problemOfLine(mix.strategy, line)
    if (problem !== undefined) return refused('payments.bad_mix', problem[1], `${field}/${problem[0]}`)
  }
  return undefined
}

function problemOfLine(strategy: GatewayMix['strategy'], line: GatewayLine): [field: string, problem: string] | undefined {
  if (strategy === 'ratio' && line.weight === undefined) return ['weight', 'A ratio needs the weight of each gateway.']
  if (strategy === 'cheapest' && line.feeBasisPoints === undefined && line.feeFixedMinor === undefined) {
    return ['feeBasisPoints', 'The cheapest is found by fees: give a percentage, a fixed part, or both.']
  }
  if (strategy === 'amount' && line.fromMinor !== undefined && line.untilMinor !== undefined && line.untilMinor <= line.fromMinor) {
    return ['untilMinor', 'A band ends above where it begins.']
  }
  return undefined
}
