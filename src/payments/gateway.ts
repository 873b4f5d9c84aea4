import type { Traffic } from '#platform/request-context.ts'
import type { Means } from './payment-plan.ts'

/**
 * What payments needs of a payment gateway (PG). Every call carries our key, under which the gateway acts at most once,
 * and its traffic. Results are closed unions; a time-out is a result (`unknown`), not an exception.
 */
export interface GatewayCall {
  /** Idempotency key at the gateway: one per attempt or refund, see `keyOf`. */
  readonly key: string
  readonly traffic: Traffic
  readonly rehearsalId: string | null
}

export interface ChargeCall extends GatewayCall {
  readonly means: Means
  readonly token: string
  readonly amountMinor: number
  readonly currency: string
  /** Shown on the gateway's console; our order id. */
  readonly reference: string
  readonly customerId: string
  /** In how many instalments the issuer collects it; 1 is all at once. */
  readonly instalments: number
  /** Where the gateway sends the customer's browser after 3-D Secure. */
  readonly returnUrl: string
}

export interface FollowUpCall extends GatewayCall {
  /** The gateway's reference of the charge or authorisation that this acts on. */
  readonly gatewayRef: string
  readonly amountMinor: number
  readonly currency: string
  /** Of a capture: no further one will come, what is left of the authorisation may be released. */
  readonly last?: boolean
}

/** Gives to a customer's account; `gatewayRef` names the customer. */
export interface CreditCall extends FollowUpCall {
  /** Our order id, for which it is booked. */
  readonly reference: string
  /** It gives back a charge that was found after it had been given up, which the order never had. */
  readonly stray: boolean
}

export interface QueryCall extends GatewayCall {
  readonly amountMinor: number
  readonly currency: string
  /** When the call that is asked about was made: gateways that can only list want a window. */
  readonly sentAt: Date
  /** The gateway's reference where we have one: of the charge itself, or of the charge that a follow-up acts on. */
  readonly gatewayRef: string | null
}

/** What the customer must do before a charge can go on. */
export type CustomerAction =
  /** Open this page of the gateway, as in 3-D Secure; it sends the browser back to `returnUrl`. */
  | { readonly kind: 'redirect'; readonly url: string }
  /** Pay in from outside (bank transfer, bank slip) under this reference. */
  | { readonly kind: 'transfer'; readonly reference: string; readonly instructions: string }

export type ChargeResult =
  | { readonly outcome: 'succeeded'; readonly gatewayRef: string }
  /** The gateway holds it open until the customer has acted; a query or webhook tells the end. */
  | { readonly outcome: 'requires_action'; readonly gatewayRef: string; readonly action: CustomerAction }
  | { readonly outcome: 'declined_soft' | 'declined_hard'; readonly reason: string }
  /** Certain that the gateway did not act: no connection, or it said so. */
  | { readonly outcome: 'unreachable'; readonly reason: string }
  /** It may have acted. Never answered by a new attempt. */
  | { readonly outcome: 'unknown'; readonly reason: string }

/** Of a capture, void, refund or credit. */
export type FollowUpResult =
  | { readonly outcome: 'succeeded' | 'pending'; readonly gatewayRef: string }
  | { readonly outcome: 'failed'; readonly reason: string }
  | { readonly outcome: 'unknown'; readonly reason: string }

/** `not_found`: the gateway answered and has nothing under this key. `not_answered`: ask again later. */
export type QueryResult<Result> = Result | { readonly outcome: 'not_found' } | { readonly outcome: 'not_answered'; readonly reason: string }

/** What a follow-up does to a charge; `credit` gives money to an account without one (a wallet, where a card refund failed). */
export type FollowUpKind = 'capture' | 'void' | 'refund' | 'credit'

/** A webhook as it came in: bytes as they were signed, headers by lower-case name. */
export interface WebhookRequest {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What a gateway says about one of our keys. */
export type GatewayNotice =
  | { readonly eventId: string; readonly kind: 'charge'; readonly key: string; readonly result: ChargeResult }
  | { readonly eventId: string; readonly kind: FollowUpKind; readonly key: string; readonly result: FollowUpResult }
  /** The bank took the money of a charge back, or gave it back to us. `amountMinor` of the disputed part. */
  | { readonly eventId: string; readonly kind: 'dispute'; readonly key: string; readonly amountMinor: number; readonly won: boolean }

/**
 * A webhook whose signature holds. Gateways that only say "something happened to X" give no notice yet: it is kept, and
 * `readNotice` asks them after the answer 200 went out.
 */
export interface VerifiedWebhook {
  readonly eventId: string
  readonly notice: GatewayNotice | null
}

export interface BindCardCall extends GatewayCall {
  readonly customerId: string
  /** One-time token from the gateway's form in the customer's browser; never a card number. */
  readonly token: string
  readonly returnUrl: string
}

/** A card kept at the gateway. What it shows is all that we keep of it. */
export interface StoredCard {
  readonly token: string
  readonly brand: string
  readonly lastFour: string
  /** `YYYY-MM`. */
  readonly expires: string
  /** ISO 3166-1 alpha-2 code of the issuer, '' where the gateway does not tell. */
  readonly country: string
}

export type BindCardResult =
  | { readonly outcome: 'bound'; readonly card: StoredCard }
  | { readonly outcome: 'requires_action'; readonly gatewayRef: string; readonly action: CustomerAction }
  | { readonly outcome: 'refused' | 'unknown'; readonly reason: string }

/** One line of a settlement file, in our words. Amounts in minor units; gross is what moved, net what reaches our bank. */
export interface SettlementLine {
  /** Line in the file, from 1. */
  readonly line: number
  readonly kind: 'charge' | 'refund' | 'chargeback' | 'fee'
  /** Our key where the file has it, else null: then the gateway's reference matches. */
  readonly key: string | null
  readonly gatewayRef: string
  readonly grossMinor: number
  readonly feeMinor: number
  readonly netMinor: number
  readonly currency: string
  /** `YYYY-MM-DD`, the gateway's booking day. */
  readonly bookedOn: string
}

export interface SettlementFile {
  /** The gateway's own name of the file or payout; a second file of the same name is refused. */
  readonly batch: string
  readonly lines: readonly SettlementLine[]
  /** Lines that can not be read, with what is wrong: they are breaks, the rest goes on. */
  readonly problems: readonly { readonly line: number; readonly problem: string }[]
}

/** One movement of money as a gateway's own log tells it. */
export interface GatewayMovement {
  /** Ours, of what moved the money: the charge, the capture or the refund; of a chargeback that of the charge. */
  readonly key: string
  readonly kind: 'charge' | 'capture' | 'refund' | 'chargeback' | 'chargeback_reversed'
  readonly amountMinor: number
  readonly currency: string
}

export interface GatewayLog {
  readonly movements: readonly GatewayMovement[]
  /** False: the gateway has forgotten older ones. */
  readonly complete: boolean
}

export interface PaymentGateway {
  readonly name: string
  readonly means: readonly Means[]
  /** Authorises and captures in one step. */
  charge(call: ChargeCall): Promise<ChargeResult>
  /** Many charges answered at once; only for gateways inside the process, where a promise per payment is the larger cost. */
  readonly chargeAtOnce?: (calls: readonly ChargeCall[]) => readonly ChargeResult[]
  authorize(call: ChargeCall): Promise<ChargeResult>
  capture(call: FollowUpCall): Promise<FollowUpResult>
  void(call: FollowUpCall): Promise<FollowUpResult>
  refund(call: FollowUpCall): Promise<FollowUpResult>
  /** Gives money to an account of a customer without a charge that it goes back on. Only where `means` are accounts of ours. */
  readonly credit?: (call: CreditCall) => Promise<FollowUpResult>
  /** Also what became of a charge that required the customer to act, once the browser is back. */
  queryCharge(call: QueryCall): Promise<QueryResult<ChargeResult>>
  queryFollowUp(kind: FollowUpKind, call: QueryCall): Promise<QueryResult<FollowUpResult>>
  /** Checks the signature, at once and without I/O. */
  verifyWebhook(request: WebhookRequest, now: Date): VerifiedWebhook | { readonly refused: string }
  /** For gateways whose webhooks only name a thing: asks what became of it. null: nothing that concerns us. Throws when it can not be asked now. */
  readonly readNotice?: (request: WebhookRequest) => Promise<GatewayNotice | null>
  readonly bindCard?: (call: BindCardCall) => Promise<BindCardResult>
  /** What became of a binding after the customer acted. */
  readonly finishBinding?: (call: GatewayCall & { readonly gatewayRef: string }) => Promise<BindCardResult>
  /** Reads the gateway's settlement file. Throws only for a file of another shape altogether. */
  readonly readSettlement?: (file: string) => SettlementFile
  /** Everything that moved there, of whichever traffic; only sandboxes show it. Throws when it can not be read now. */
  readonly readLog?: () => Promise<GatewayLog>
}

/** Whether an adapter's calls end in a sandbox or touch real cards. */
export type GatewayReach = 'sandbox' | 'real'

/** Calls that went through a guard, by traffic, and shadow calls that it stopped. */
export interface GatewayCalls {
  live: number
  shadow: number
  refused: number
}

export interface GuardedGateway extends PaymentGateway {
  readonly reach: GatewayReach
  readonly calls: Readonly<GatewayCalls>
}

/** A shadow call was about to reach a real gateway. Thrown before anything is sent. */
export class ShadowRefused extends Error {
  override readonly name = 'ShadowRefused'
}

/**
 * The only way a gateway gets into payments. Shadow traffic passes only to sandboxes; every call is counted by traffic,
 * so that a rehearsal can prove that it charged nobody.
 */
export function guardTraffic(gateway: PaymentGateway, reach: GatewayReach): GuardedGateway {
  const calls: GatewayCalls = { live: 0, shadow: 0, refused: 0 }
  /** All or none: a batch with one shadow call in it is stopped before its first call is made. */
  const pass = (batch: readonly GatewayCall[]): void => {
    const stopped = reach === 'real' ? batch.find((call) => call.traffic === 'shadow') : undefined
    if (stopped !== undefined) {
      calls.refused += 1
      throw new ShadowRefused(`shadow call ${stopped.key} was about to reach the real gateway ${gateway.name}`)
    }
    for (const call of batch) calls[call.traffic] += 1
  }
  const guarded =
    <Call extends GatewayCall, Result>(act: (call: Call) => Promise<Result>) =>
    async (call: Call): Promise<Result> => {
      pass([call])
      return act(call)
    }
  const { chargeAtOnce, credit, readNotice, bindCard, finishBinding, readSettlement, readLog } = gateway
  return {
    name: gateway.name,
    means: gateway.means,
    reach,
    calls,
    charge: guarded((call: ChargeCall) => gateway.charge(call)),
    ...(chargeAtOnce === undefined
      ? {}
      : {
          chargeAtOnce: (batch) => {
            pass(batch)
            return chargeAtOnce(batch)
          },
        }),
    authorize: guarded((call: ChargeCall) => gateway.authorize(call)),
    capture: guarded((call: FollowUpCall) => gateway.capture(call)),
    void: guarded((call: FollowUpCall) => gateway.void(call)),
    refund: guarded((call: FollowUpCall) => gateway.refund(call)),
    ...(credit === undefined ? {} : { credit: guarded(credit) }),
    queryCharge: guarded((call: QueryCall) => gateway.queryCharge(call)),
    queryFollowUp: (kind, call) => guarded((query: QueryCall) => gateway.queryFollowUp(kind, query))(call),
    verifyWebhook: (request, now) => gateway.verifyWebhook(request, now),
    ...(readNotice === undefined ? {} : { readNotice }),
    ...(bindCard === undefined ? {} : { bindCard: guarded(bindCard) }),
    ...(finishBinding === undefined ? {} : { finishBinding: guarded(finishBinding) }),
    ...(readSettlement === undefined ? {} : { readSettlement }),
    ...(readLog === undefined ? {} : { readLog }),
  }
}

export type KeyKind = 'charge' | FollowUpKind | 'bind'

/**
 * Our key at a gateway. It names the traffic, because live and shadow count their ids separately and may share one
 * sandbox, and the installation, because a database made anew counts from 1 again and would be answered with old charges.
 */
export function keyOf(installation: string, traffic: Traffic, kind: KeyKind, id: number): string {
  return `${installation}-${traffic}-${kind}-${id}`
}

export function readKey(key: string): { installation: string; traffic: Traffic; kind: KeyKind; id: number } | undefined {
  const [, installation, traffic, kind, id] =
    /^(.+)-(live|shadow)-(charge|capture|void|refund|credit|bind)-([1-9]\d{0,15})$/.exec(key) ?? []
  if (installation === undefined || !Number.isSafeInteger(Number(id))) return undefined
  return { installation, traffic: traffic as Traffic, kind: kind as KeyKind, id: Number(id) }
}
