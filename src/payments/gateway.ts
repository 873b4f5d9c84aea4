import type { Traffic } from '#platform/request-context.ts'

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
  readonly token: string
  readonly amountMinor: number
  readonly currency: string
  /** Shown on the gateway's console; our order id. */
  readonly reference: string
}

export interface FollowUpCall extends GatewayCall {
  /** The gateway's reference of the charge or authorisation that this acts on. */
  readonly gatewayRef: string
  readonly amountMinor: number
  readonly currency: string
}

export interface QueryCall extends GatewayCall {
  readonly amountMinor: number
  readonly currency: string
}

export type ChargeResult =
  | { readonly outcome: 'succeeded'; readonly gatewayRef: string }
  | { readonly outcome: 'declined_soft' | 'declined_hard'; readonly reason: string }
  /** Certain that the gateway did not act: no connection, or it said so. */
  | { readonly outcome: 'unreachable'; readonly reason: string }
  /** It may have acted. Never answered by a new attempt. */
  | { readonly outcome: 'unknown'; readonly reason: string }

export type RefundResult =
  | { readonly outcome: 'succeeded' | 'pending'; readonly gatewayRef: string }
  | { readonly outcome: 'failed'; readonly reason: string }
  | { readonly outcome: 'unknown'; readonly reason: string }

/** `not_found`: the gateway answered and has nothing under this key. `not_answered`: ask again later. */
export type QueryResult<Result> = Result | { readonly outcome: 'not_found' } | { readonly outcome: 'not_answered'; readonly reason: string }

/** A webhook as it came in; the signature covers id, sentAt and payload as strings, so JSON formatting cannot break it. */
export interface WebhookEnvelope {
  readonly id: string
  readonly sentAt: string
  readonly payload: string
  readonly signature: string
}

/** What a webhook says about one of our keys. */
export type GatewayNotice =
  | { readonly eventId: string; readonly kind: 'charge'; readonly key: string; readonly result: ChargeResult }
  | { readonly eventId: string; readonly kind: 'refund'; readonly key: string; readonly result: RefundResult }

export interface PaymentGateway {
  readonly name: string
  /** Authorises and captures in one step. */
  charge(call: ChargeCall): Promise<ChargeResult>
  /** Many charges answered at once; only for gateways inside the process, where a promise per payment is the larger cost. */
  readonly chargeAtOnce?: (calls: readonly ChargeCall[]) => readonly ChargeResult[]
  authorize(call: ChargeCall): Promise<ChargeResult>
  capture(call: FollowUpCall): Promise<ChargeResult>
  void(call: FollowUpCall): Promise<RefundResult>
  refund(call: FollowUpCall): Promise<RefundResult>
  queryCharge(call: QueryCall): Promise<QueryResult<ChargeResult>>
  queryRefund(call: QueryCall): Promise<QueryResult<RefundResult>>
  /** The notice inside a webhook, or why it is not believed. */
  openWebhook(envelope: WebhookEnvelope, now: Date): GatewayNotice | { readonly refused: string }
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
  const chargeAtOnce = gateway.chargeAtOnce
  return {
    name: gateway.name,
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
    queryCharge: guarded((call: QueryCall) => gateway.queryCharge(call)),
    queryRefund: guarded((call: QueryCall) => gateway.queryRefund(call)),
    openWebhook: (envelope, now) => gateway.openWebhook(envelope, now),
  }
}

export type KeyKind = 'charge' | 'refund'

/**
 * Our key at a gateway. It names the traffic, because live and shadow count their ids separately and may share one
 * sandbox, and the installation, because a database made anew counts from 1 again and would be answered with old charges.
 */
export function keyOf(installation: string, traffic: Traffic, kind: KeyKind, id: number): string {
  return `${installation}-${traffic}-${kind}-${id}`
}

export function readKey(key: string): { installation: string; traffic: Traffic; kind: KeyKind; id: number } | undefined {
  const [, installation, traffic, kind, id] = /^(.+)-(live|shadow)-(charge|refund)-([1-9]\d{0,15})$/.exec(key) ?? []
  if (installation === undefined || !Number.isSafeInteger(Number(id))) return undefined
  return { installation, traffic: traffic as Traffic, kind: kind as KeyKind, id: Number(id) }
}
