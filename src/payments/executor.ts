import { invariant } from '#kernel/outcome.ts'
import type { Scope } from '#platform/database.ts'
import { runInContext, systemContext } from '#platform/request-context.ts'
import { type ChargeCall, type ChargeResult, type GuardedGateway, keyOf, type RefundResult, ShadowRefused } from './gateway.ts'
import { writeBatchOrAlone } from './batch-or-alone.ts'
import type { ChargeToMake, HandOff, NoticeToApply, RefundToMake } from './parts.ts'
import type { AttemptResult, RefundRecord } from './record-results.ts'
import type { PaymentTimes } from './settlement.ts'

export interface ExecutorOptions {
  readonly gateways: ReadonlyMap<string, GuardedGateway>
  readonly installation: string
  readonly times: PaymentTimes
  /** Calls out at once, per traffic and rehearsal. */
  readonly concurrency: number
  /** Calls that may wait; beyond it they are left to the sweep, which finds them in the database. */
  readonly queueMost: number
  readonly recordAttempts: (scope: Scope, results: readonly AttemptResult[]) => Promise<void>
  readonly recordRefunds: (scope: Scope, results: readonly RefundRecord[]) => Promise<void>
  readonly log: (problem: { message: string; error: unknown }) => void
}

export interface ExecutorStats {
  readonly waiting: number
  readonly out: number
  readonly unrecorded: number
  /** Calls not made because they had waited too long or the queue was full; the sweep resolves them. */
  readonly leftToSweep: number
}

export interface PaymentExecutor extends HandOff {
  /** True while this process still has the attempt's call or its result in hand, so that the sweep leaves it alone. */
  holds(scope: Scope, kind: 'charge' | 'refund', id: number): boolean
  stats(): ExecutorStats
  /** Resolves when nothing is waiting, out or unrecorded. */
  idle(): Promise<void>
  /** Takes no more work, makes the calls that wait, records their results, then resolves. */
  close(): Promise<void>
}

/** Most results written in one transaction. */
const recordMost = 256

/** One line of work per traffic and rehearsal, so that shadow work never runs inside a live request's context. */
interface Lane {
  readonly scope: Scope
  readonly charges: { readonly call: ChargeToMake; readonly since: number }[]
  readonly refunds: RefundToMake[]
  readonly attemptResults: AttemptResult[]
  readonly refundResults: RefundRecord[]
  readonly held: Set<string>
  out: number
  recording: boolean
  scheduled: boolean
}

/**
 * Makes the calls of committed attempts and writes what came of them, in batches: while one batch is being written, the
 * answers that arrive gather for the next, so a faster gateway makes larger batches, not more transactions.
 */
export function openExecutor(options: ExecutorOptions): PaymentExecutor {
  const lanes = new Map<string, Lane>()
  let idleWaiters: (() => void)[] = []
  let closing = false
  let leftToSweep = 0

  const laneOf = ({ traffic, rehearsalId }: Scope): Lane => {
    const key = `${traffic} ${rehearsalId ?? ''}`
    let lane = lanes.get(key)
    if (lane === undefined) {
      lane = {
        scope: { traffic, rehearsalId },
        charges: [],
        refunds: [],
        attemptResults: [],
        refundResults: [],
        held: new Set(),
        out: 0,
        recording: false,
        scheduled: false,
      }
      lanes.set(key, lane)
    }
    return lane
  }
  const isBusy = (lane: Lane): boolean =>
    lane.out > 0 || lane.recording || lane.charges.length + lane.refunds.length + lane.attemptResults.length + lane.refundResults.length > 0

  // Work runs in a context of its own, not in that of whoever happened to wake it.
  const wake = (lane: Lane): void => {
    if (lane.scheduled) return
    lane.scheduled = true
    setImmediate(() => {
      lane.scheduled = false
      runInContext(systemContext('payments', lane.scope.traffic, lane.scope.rehearsalId), () => pump(lane))
    })
  }

  const pump = (lane: Lane): void => {
    makeCharges(lane)
    while (lane.out < options.concurrency) {
      const refund = lane.refunds.shift()
      if (refund === undefined) break
      lane.out += 1
      void makeRefund(lane, refund)
    }
    if (!lane.recording && lane.attemptResults.length + lane.refundResults.length > 0) {
      lane.recording = true
      void record(lane)
    }
    if (!isBusy(lane)) {
      lanes.delete(`${lane.scope.traffic} ${lane.scope.rehearsalId ?? ''}`)
      if (![...lanes.values()].some(isBusy)) {
        for (const resolve of idleWaiters) resolve()
        idleWaiters = []
      }
    }
  }

  const callOf = (lane: Lane, charge: ChargeToMake): ChargeCall => ({
    key: keyOf(options.installation, lane.scope.traffic, 'charge', charge.attemptId),
    traffic: lane.scope.traffic,
    rehearsalId: lane.scope.rehearsalId,
    token: charge.token,
    amountMinor: charge.amountMinor,
    currency: charge.currency,
    reference: String(charge.orderId),
  })

  const makeCharges = (lane: Lane): void => {
    // Charges of gateways inside the process go in one call per gateway; the others wait for a free place.
    const atOnce = new Map<GuardedGateway, ChargeToMake[]>()
    let taken = 0
    const now = performance.now()
    for (const { call, since } of lane.charges) {
      const gateway = options.gateways.get(call.gateway)
      // Strictly younger than the sweep's safe delay: a call made after it could follow a "not found" that was believed.
      const tooLate = now - since > options.times.callWithinMs
      if (!tooLate && gateway?.chargeAtOnce === undefined && lane.out >= options.concurrency) break
      taken += 1
      if (tooLate) {
        leftToSweep += 1
        lane.held.delete(`charge ${call.attemptId}`)
      } else if (gateway === undefined) {
        // Nothing was sent, so this is certain: the gateway was taken out of the configuration after the attempt was made.
        const result: ChargeResult = { outcome: 'unreachable', reason: 'gateway_not_configured' }
        lane.attemptResults.push({ attemptId: call.attemptId, result, cause: 'answer' })
      } else if (gateway.chargeAtOnce === undefined) {
        lane.out += 1
        void makeCharge(lane, gateway, call)
      } else {
        const batch = atOnce.get(gateway)
        if (batch === undefined) atOnce.set(gateway, [call])
        else batch.push(call)
      }
    }
    lane.charges.splice(0, taken)
    for (const [gateway, charges] of atOnce) chargeAtOnce(lane, gateway, charges)
  }

  const chargeAtOnce = (lane: Lane, gateway: GuardedGateway, charges: readonly ChargeToMake[]): void => {
    let results: readonly ChargeResult[]
    try {
      results = gateway.chargeAtOnce?.(charges.map((charge) => callOf(lane, charge))) ?? []
      invariant(results.length === charges.length, `gateway ${gateway.name} answered ${results.length} of ${charges.length} charges`)
    } catch (error) {
      const result = resultOfError(error)
      results = charges.map(() => result)
    }
    charges.forEach((charge, index) => {
      const result = results[index]
      if (result !== undefined) lane.attemptResults.push({ attemptId: charge.attemptId, result, cause: 'answer' })
    })
  }

  const makeCharge = async (lane: Lane, gateway: GuardedGateway, charge: ChargeToMake): Promise<void> => {
    const result = await gateway.charge(callOf(lane, charge)).catch(resultOfError)
    lane.attemptResults.push({ attemptId: charge.attemptId, result, cause: 'answer' })
    lane.out -= 1
    wake(lane)
  }

  const makeRefund = async (lane: Lane, refund: RefundToMake): Promise<void> => {
    const call = {
      key: keyOf(options.installation, lane.scope.traffic, 'refund', refund.refundId),
      traffic: lane.scope.traffic,
      rehearsalId: lane.scope.rehearsalId,
      gatewayRef: refund.chargeRef,
      amountMinor: refund.amountMinor,
      currency: refund.currency,
    }
    const asked = options.gateways.get(refund.gateway)?.refund(call)
    const result = (await asked?.catch((error: unknown): RefundResult => {
      options.log({ message: `refund ${refund.refundId} broke off`, error })
      if (error instanceof ShadowRefused) return { outcome: 'failed', reason: 'shadow_refused' }
      return { outcome: 'unknown', reason: 'adapter_error' }
    })) ?? { outcome: 'unknown', reason: 'gateway_not_configured' }
    lane.refundResults.push({ refundId: refund.refundId, result, cause: 'answer' })
    lane.out -= 1
    wake(lane)
  }

  /** An adapter turns the world's failures into results; what still throws is a guard's refusal or a bug, whose effect is not known. */
  const resultOfError = (error: unknown): ChargeResult => {
    options.log({ message: 'a charge broke off', error })
    if (error instanceof ShadowRefused) return { outcome: 'declined_hard', reason: 'shadow_refused' }
    return { outcome: 'unknown', reason: 'adapter_error' }
  }

  const record = async (lane: Lane): Promise<void> => {
    const attempts = lane.attemptResults.splice(0, recordMost)
    const refunds = lane.refundResults.splice(0, recordMost)
    await writeBatchOrAlone(attempts, (results) => options.recordAttempts(lane.scope, results), options.log)
    await writeBatchOrAlone(refunds, (results) => options.recordRefunds(lane.scope, results), options.log)
    for (const { attemptId } of attempts) lane.held.delete(`charge ${attemptId}`)
    for (const { refundId } of refunds) lane.held.delete(`refund ${refundId}`)
    lane.recording = false
    wake(lane)
  }

  const idle = (): Promise<void> =>
    new Promise((resolve) => {
      if ([...lanes.values()].some((lane) => isBusy(lane))) idleWaiters.push(resolve)
      else resolve()
    })

  return {
    charges(scope, calls) {
      const lane = laneOf(scope)
      const room = closing ? 0 : Math.max(0, options.queueMost - lane.charges.length)
      leftToSweep += Math.max(0, calls.length - room)
      const since = performance.now()
      for (const call of calls.slice(0, room)) {
        lane.charges.push({ call, since })
        lane.held.add(`charge ${call.attemptId}`)
      }
      wake(lane)
    },
    refunds(scope, calls) {
      const lane = laneOf(scope)
      const room = closing ? 0 : Math.max(0, options.queueMost - lane.refunds.length)
      leftToSweep += Math.max(0, calls.length - room)
      for (const call of calls.slice(0, room)) {
        lane.refunds.push(call)
        lane.held.add(`refund ${call.refundId}`)
      }
      wake(lane)
    },
    notices(scope, notices) {
      if (closing) return
      const lane = laneOf(scope)
      for (const notice of notices) addNotice(lane, notice)
      wake(lane)
    },
    holds: ({ traffic, rehearsalId }, kind, id) => lanes.get(`${traffic} ${rehearsalId ?? ''}`)?.held.has(`${kind} ${id}`) ?? false,
    stats() {
      let [waiting, out, unrecorded] = [0, 0, 0]
      for (const lane of lanes.values()) {
        waiting += lane.charges.length + lane.refunds.length
        out += lane.out
        unrecorded += lane.attemptResults.length + lane.refundResults.length
      }
      return { waiting, out, unrecorded, leftToSweep }
    },
    idle,
    async close() {
      closing = true
      await idle()
    },
  }
}

function addNotice(lane: Lane, { gateway, subjectId, notice }: NoticeToApply): void {
  const inbox = { gateway, eventId: notice.eventId }
  const cause = `webhook ${notice.eventId}`
  if (notice.kind === 'charge') lane.attemptResults.push({ attemptId: subjectId, result: notice.result, cause, inbox })
  else lane.refundResults.push({ refundId: subjectId, result: notice.result, cause, inbox })
}
