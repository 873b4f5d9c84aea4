import type { ChargeCall, ChargeResult, FollowUpCall, FollowUpResult, PaymentGateway } from './gateway.ts'

/**
 * Cash on delivery as a gateway of our own: setting money aside is a promise that the courier will bring it, a capture says that
 * he did. It remembers nothing and needs nothing: what it is asked follows from the key alone, so each answer can be given again.
 */
export function openCashGateway(): PaymentGateway {
  const promise = ({ key }: Pick<ChargeCall, 'key'>): ChargeResult => ({ outcome: 'succeeded', gatewayRef: `cash_${key}` })
  const done = ({ key }: Pick<FollowUpCall, 'key'>): FollowUpResult => ({ outcome: 'succeeded', gatewayRef: `cash_${key}` })
  // Nobody stands at the door any more. By policy it is credited to the wallet, or a person pays it out.
  const refused: FollowUpResult = { outcome: 'failed', reason: 'cash_is_given_back_by_hand' }
  return {
    name: 'cash',
    means: ['cash_on_delivery'],
    charge: async (call) => promise(call),
    authorize: async (call) => promise(call),
    capture: async (call) => done(call),
    void: async (call) => done(call),
    refund: async () => refused,
    queryCharge: async (call) => promise(call),
    queryFollowUp: async (kind, call) => (kind === 'refund' || kind === 'credit' ? refused : done(call)),
    verifyWebhook: () => ({ refused: 'There are no webhooks of cash.' }),
  }
}
