import type { Scope } from '#platform/database.ts'
import { runInContext, systemContext } from '#platform/request-context.ts'
import { writeBatchOrAlone } from './batch-or-alone.ts'
import type { CallMaker } from './call-maker.ts'
import type { ChargeResult } from './gateway.ts'
import { addWebhook, hasRecords, isBusy, isWorking, type Lane, openLane } from './executor-lane.ts'
import type { ChargeToMake, HandOff } from './parts.ts'
import type { AttemptResult, FollowUpRecord, NoticeRecord } from './record-results.ts'
import type { PaymentTimes } from './settlement.ts'

export interface ExecutorOptions {
  readonly calls: CallMaker
  readonly times: PaymentTimes
  /** Calls out at once, per traffic and rehearsal. */
  readonly concurrency: number
  /** Calls that may wait; beyond it they are left to the sweep, which finds them in the database. */
  readonly queueMost: number
  readonly recordAttempts: (scope: Scope, results: readonly AttemptResult[]) => Promise<void>
  readonly recordFollowUps: (scope: Scope, results: readonly FollowUpRecord[]) => Promise<void>
  readonly recordNotices: (scope: Scope, records: readonly NoticeRecord[]) => Promise<void>
  readonly retryLegs: (scope: Scope, legIds: readonly number[]) => Promise<void>
  readonly bindCard: (scope: Scope, bindingId: number) => Promise<void>
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
  /** True while this process still has the call or its result in hand, so that the sweep leaves it alone. */
  holds(scope: Scope, kind: 'charge' | 'follow_up', id: number): boolean
  stats(): ExecutorStats
  /** Resolves when nothing is waiting, out or unrecorded. */
  idle(): Promise<void>
  /** Takes no more work, makes the calls that wait, records their results, then resolves. */
  close(): Promise<void>
}

/** Most results written in one transaction. */
const recordMost = 256

/**
 * Makes the calls of committed attempts and writes what came of them, in batches: while one batch is being written, the
 * answers that arrive gather for the next, so a faster gateway makes larger batches, not more transactions.
 */
export function openExecutor(options: ExecutorOptions): PaymentExecutor {
  const { calls } = options
  const lanes = new Map<string, Lane>()
  let idleWaiters: (() => void)[] = []
  let closing = false
  let leftToSweep = 0

  const laneOf = ({ traffic, rehearsalId }: Scope): Lane => {
    const key = `${traffic} ${rehearsalId ?? ''}`
    let lane = lanes.get(key)
    if (lane === undefined) lanes.set(key, (lane = openLane({ traffic, rehearsalId })))
    return lane
  }

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
      const followUp = lane.followUps.shift()
      if (followUp === undefined) break
      makeOne(lane, async () => {
        lane.followUpResults.push(await calls.followUp(lane.scope, followUp))
      })
    }
    while (lane.out < options.concurrency) {
      const unread = lane.unread.shift()
      if (unread === undefined) break
      makeOne(lane, async () => {
        const notice = await calls.readNotice(lane.scope, unread)
        if (notice !== undefined) addWebhook(lane, notice)
      })
    }
    while (lane.out < options.concurrency) {
      const bindingId = lane.bindings.shift()
      if (bindingId === undefined) break
      makeOne(lane, () => options.bindCard(lane.scope, bindingId))
    }
    if (!lane.recording && hasRecords(lane)) {
      lane.recording = true
      void record(lane)
    }
    if (!isBusy(lane) && !lane.scheduled) {
      lanes.delete(`${lane.scope.traffic} ${lane.scope.rehearsalId ?? ''}`)
      if (![...lanes.values()].some(isWorking)) {
        for (const resolve of idleWaiters) resolve()
        idleWaiters = []
      }
    }
  }

  const makeOne = (lane: Lane, work: () => Promise<void>): void => {
    lane.out += 1
    void attend(lane, work)
  }

  const attend = async (lane: Lane, work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      options.log({ message: 'a call could not be made or noted; the sweep takes it over', error })
    }
    lane.out -= 1
    wake(lane)
  }

  const makeCharges = (lane: Lane): void => {
    // Charges of gateways inside the process go in one call per gateway; the others wait for a free place.
    const atOnce = new Map<string, ChargeToMake[]>()
    let taken = 0
    const now = performance.now()
    for (const { call, since } of lane.charges) {
      // Strictly younger than the sweep's safe delay: a call made after it could follow a "not found" that was believed.
      const tooLate = now - since > options.times.callWithinMs
      const together = call.mode === 'charge' && calls.chargesAtOnce(call.gateway)
      if (!tooLate && !together && lane.out >= options.concurrency) break
      taken += 1
      if (tooLate) {
        leftToSweep += 1
        lane.held.delete(`charge ${call.attemptId}`)
      } else if (together) {
        const batch = atOnce.get(call.gateway)
        if (batch === undefined) atOnce.set(call.gateway, [call])
        else batch.push(call)
      } else {
        makeOne(lane, async () => {
          const result = await calls.charge(lane.scope, call)
          lane.attemptResults.push({ attemptId: call.attemptId, result, cause: 'answer' })
        })
      }
    }
    lane.charges.splice(0, taken)
    for (const [gateway, charges] of atOnce) {
      const results: readonly ChargeResult[] = calls.chargeAtOnce(lane.scope, gateway, charges)
      charges.forEach(({ attemptId }, index) => {
        const result = results[index]
        if (result !== undefined) lane.attemptResults.push({ attemptId, result, cause: 'answer' })
      })
    }
  }

  const record = async (lane: Lane): Promise<void> => {
    const attempts = lane.attemptResults.splice(0, recordMost)
    const followUps = lane.followUpResults.splice(0, recordMost)
    const notices = lane.notices.splice(0, recordMost)
    const retries = lane.retries.splice(0, recordMost)
    const { log } = options
    await writeBatchOrAlone(attempts, (results) => options.recordAttempts(lane.scope, results), log)
    await writeBatchOrAlone(followUps, (results) => options.recordFollowUps(lane.scope, results), log)
    await writeBatchOrAlone(notices, (records) => options.recordNotices(lane.scope, records), log)
    await writeBatchOrAlone(retries, (legIds) => options.retryLegs(lane.scope, legIds), log)
    for (const { attemptId } of attempts) lane.held.delete(`charge ${attemptId}`)
    for (const { followUpId } of followUps) lane.held.delete(`follow_up ${followUpId}`)
    lane.recording = false
    wake(lane)
  }

  const idle = (): Promise<void> =>
    new Promise((resolve) => {
      if ([...lanes.values()].some(isWorking)) idleWaiters.push(resolve)
      else resolve()
    })

  const room = (waiting: number, more: number): number => {
    const left = closing ? 0 : Math.max(0, options.queueMost - waiting)
    leftToSweep += Math.max(0, more - left)
    return left
  }

  return {
    charges(scope, made) {
      const lane = laneOf(scope)
      const since = performance.now()
      for (const call of made.slice(0, room(lane.charges.length, made.length))) {
        lane.charges.push({ call, since })
        lane.held.add(`charge ${call.attemptId}`)
      }
      wake(lane)
    },
    followUps(scope, made) {
      const lane = laneOf(scope)
      for (const call of made.slice(0, room(lane.followUps.length, made.length))) {
        lane.followUps.push(call)
        lane.held.add(`follow_up ${call.followUpId}`)
      }
      wake(lane)
    },
    webhooks(scope, webhooks) {
      if (closing) return
      const lane = laneOf(scope)
      for (const webhook of webhooks) addWebhook(lane, webhook)
      wake(lane)
    },
    retries(scope, legIds) {
      if (closing) return
      const lane = laneOf(scope)
      lane.retries.push(...legIds)
      wake(lane)
    },
    bindings(scope, bindingIds) {
      if (closing) return
      const lane = laneOf(scope)
      lane.bindings.push(...bindingIds)
      wake(lane)
    },
    holds: ({ traffic, rehearsalId }, kind, id) => lanes.get(`${traffic} ${rehearsalId ?? ''}`)?.held.has(`${kind} ${id}`) ?? false,
    stats() {
      let [waiting, out, unrecorded] = [0, 0, 0]
      for (const lane of lanes.values()) {
        waiting += lane.charges.length + lane.followUps.length + lane.unread.length + lane.bindings.length
        out += lane.out
        unrecorded += lane.attemptResults.length + lane.followUpResults.length + lane.notices.length + lane.retries.length
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
