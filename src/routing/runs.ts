import { accepted, invariant, type Outcome, refused } from '#kernel/outcome.ts'
import type { Traffic } from '#platform/request-context.ts'
import type { ContextDatabase, Scope, WriteContext } from '#platform/database.ts'
import { loadFleet } from './board-store.ts'
import { type CurrentZones, datesAhead, type Zone } from './capacity/index.ts'
import { type CommittedSlot, commitPlan } from './commit-plan.ts'
import { planDay } from './plan-day.ts'
import type { Retried, RetryUnassigned } from './assign-waybills.ts'
import type { PlanWorkers } from './plan-workers.ts'
import type { Roads } from './roads.ts'
import { withRoads } from './picture-roads.ts'
import type { SlotPlan } from './plan-zone.ts'
import {
  askToCommit,
  claimRun,
  dueWaves,
  finishRun,
  freeRun,
  loadDemand,
  loadPicture,
  plansOf,
  reclaimRun,
  runsById,
  storePlans,
  takeDueRun,
} from './run-store.ts'
import type { Effort } from './solve-slot.ts'

export interface RunPlan {
  readonly date: string
  /** Absent: all zones. */
  readonly zoneCodes?: readonly string[]
  readonly seed?: number
  /** How hard to search: attempts for each door, 0 to 1,000. More takes longer and drives less. */
  readonly attemptsPerDoor?: number
  /** What it costs that a waybill changes its truck; trips cost about 5,000. */
  readonly moveCost?: number
  /** Plans are kept to be looked at, and nothing is changed. */
  readonly preview?: boolean
  readonly actor: string
}

export interface RunTotals {
  readonly zones: number
  readonly assigned: number
  readonly unassigned: number
  readonly routes: number
  readonly costBefore: number
  readonly costAfter: number
}

export interface FinishedRun {
  readonly runId: number
  readonly date: string
  readonly totals: RunTotals
  /** Null for a preview. */
  readonly committed: (CommittedSlot & { readonly slots: number /** By trucks of neighbours. */; readonly helped: number }) | null
}

export interface PlannerDeps {
  readonly database: ContextDatabase
  readonly zones: CurrentZones
  readonly workers: PlanWorkers
  /** Null: ways are great circles. */
  readonly roads: Readonly<Record<Traffic, Roads>> | null
  /** Tries waybills again that these zones have no truck for: their neighbours may have one. A page at a time; returns how many got one. */
  readonly retry: (context: WriteContext, page: RetryUnassigned) => Promise<Outcome<Retried>>
}

const standard = { seed: 1, attemptsPerDoor: 5, moveCost: 300 } as const

const add = (a: RunTotals, plans: readonly SlotPlan[]): RunTotals => ({
  zones: a.zones + 1,
  assigned: a.assigned + plans.reduce((sum, { placed }) => sum + placed.reduce((all, { waybillIds }) => all + waybillIds.length, 0), 0),
  unassigned: a.unassigned + plans.reduce((sum, { refused: waiting }) => sum + waiting.length, 0),
  routes: a.routes + plans.reduce((sum, { routes }) => sum + routes.length, 0),
  costBefore: a.costBefore + plans.reduce((sum, { costBefore }) => sum + costBefore, 0),
  costAfter: a.costAfter + plans.reduce((sum, { costAfter }) => sum + costAfter, 0),
})

const nothing: RunTotals = { zones: 0, assigned: 0, unassigned: 0, routes: 0, costBefore: 0, costAfter: 0 }
/**
 * Runs of ADRA: each zone is planned by itself in a worker, with trucks of its own; what lacks trucks is planned again with those that are left; each slot is
 * committed by itself. One run at a time for a zone and date. The process goes on answering meanwhile.
 */
export function openRuns({ database, zones: currentZones, workers, roads, retry }: PlannerDeps) {
  const busyZones = (zones: readonly Zone[], busy: readonly number[]) => {
    const codes = zones.filter(({ zoneId }) => busy.includes(zoneId)).map(({ code }) => code)
    return refused('routing.run_under_way', `another run plans ${codes.slice(0, 10).join(', ')} now`, '/zoneCodes')
  }

  const commit = async (scope: Scope, plans: readonly SlotPlan[], by: { runId: number; actor: string }, sum: Committed): Promise<void> => {
    for (const plan of plans) {
      if (plan.routes.length === 0 && plan.refused.length === 0) continue
      sum.add(await database.write(scope, (context) => commitPlan(context, plan, by)))
    }
  }

  const solve = async (scope: Scope, asked: RunPlan, { runId, zones }: { runId: number; zones: readonly Zone[] }): Promise<Solved> => {
    const { date, actor, preview = false } = asked
    const effort: Effort = {
      seed: asked.seed ?? standard.seed,
      attemptsPerDoor: asked.attemptsPerDoor ?? standard.attemptsPerDoor,
      moveCost: asked.moveCost ?? standard.moveCost,
    }
    const zoneIds = zones.map(({ zoneId }) => zoneId)
    const fleet = await database.read(scope, (context) => loadFleet(context, { dates: [date], zoneIds }))
    const demand = await database.read(scope, (context) => loadDemand(context, zoneIds, date))
    const byId = new Map(zones.map((zone) => [zone.zoneId, zone]))
    const ways = roads === null ? null : roads[scope.traffic].forRun()
    let totals = nothing
    const committed = new Committed()
    await planDay({
      fleet,
      effort,
      workers,
      zones: zones.map(({ zoneId, base }) => ({
        zoneId,
        depotId: base?.depotId ?? null,
        waybills: demand.get(zoneId) ?? { dry: 0, frozen: 0, mixed: 0 },
      })),
      async pictureOf(zoneId) {
        const picture = await database.read(scope, (context) => loadPicture(context, byId.get(zoneId) as Zone, date))
        // Outside of the read: no connection waits for the roads.
        return ways === null ? picture : withRoads(picture, fleet, ways)
      },
      async finished(_, plans) {
        totals = add(totals, plans)
        await database.write(scope, (context) => storePlans(context, runId, plans))
        if (!preview) await commit(scope, plans, { runId, actor }, committed)
      },
    })
    return { totals, committed: preview ? null : committed.sum }
  }

  /** Zones are planned apart. What a zone has no truck for is asked of those that have agreed to help it out, one by one as if it came now. */
  const askNeighbours = async (scope: Scope, zones: readonly Zone[], by: { runId: number; actor: string }): Promise<number> => {
    const zoneIds = zones.flatMap(({ zoneId, neighbours }) => (neighbours.length === 0 ? [] : [zoneId]))
    if (zoneIds.length === 0) return 0
    let helped = 0
    for (let after: number | null = 0; after !== null; ) {
      const page: RetryUnassigned = { reasonCodes: ['no_vehicle'], zoneIds, after, actor: by.actor, commandId: `run-${by.runId}` }
      const retried = await database.write(scope, (context) => retry(context, page))
      if (!retried.ok) break
      helped += retried.value.assigned
      after = retried.value.next
    }
    return helped
  }

  /** Claims the zones. Errors: unknown_zone, run_under_way. */
  const start = async (context: WriteContext, asked: RunPlan): Promise<Outcome<{ runId: number }>> => {
    const map = await currentZones(context)
    const unknown = asked.zoneCodes?.findIndex((code) => map.byCode(code) === undefined) ?? -1
    if (unknown >= 0) return refused('routing.unknown_zone', `there is no zone ${asked.zoneCodes?.[unknown]}`, `/zoneCodes/${unknown}`)
    const zones = asked.zoneCodes === undefined ? [...map.zones] : asked.zoneCodes.flatMap((code) => map.byCode(code) ?? [])
    const { date, actor, preview = false } = asked
    const zoneIds = [...new Set(zones.map(({ zoneId }) => zoneId))].toSorted((a, b) => a - b)
    const claim = await claimRun(context, { date, zoneIds, asked: { ...asked, preview }, actor })
    return 'busy' in claim ? busyZones(zones, claim.busy) : accepted(claim)
  }

  /** Claims the zones of a preview again, to make it true. Errors: unknown_run, run_not_ready, run_committed, run_under_way. */
  const startCommit = async (context: WriteContext, runId: number): Promise<Outcome<{ runId: number }>> => {
    const run = (await runsById(context, [runId])).get(runId)
    if (run === undefined) return refused('routing.unknown_run', `there is no run ${runId}`, '/runId')
    if (run.committedAt !== null)
      return refused('routing.run_committed', `run ${runId} was committed at ${run.committedAt.toISOString()}`, '/runId')
    if (run.solvedAt === null) return refused('routing.run_not_ready', `run ${runId} is being planned`, '/runId')
    const busy = await reclaimRun(context, runId, run)
    if (busy.length > 0) return busyZones((await currentZones(context)).zones, busy)
    await askToCommit(context, runId)
    return accepted({ runId })
  }

  const execute = async (scope: Scope, runId: number): Promise<FinishedRun> => {
    const run = (await database.read(scope, (context) => runsById(context, [runId]))).get(runId)
    invariant(run, `run ${runId} was claimed`)
    const { date, zoneIds, actor } = run
    const asked = run.asked as unknown as RunPlan
    const map = await database.read(scope, currentZones)
    const zones = zoneIds.flatMap((id) => map.byId(id) ?? [])
    try {
      if (run.solvedAt !== null) {
        const committed = new Committed()
        await commit(scope, await database.read(scope, (context) => plansOf(context, runId)), { runId, actor }, committed)
        const totals = run.totals as unknown as RunTotals
        const sum = { ...committed.sum, helped: await askNeighbours(scope, zones, { runId, actor }) }
        await database.write(scope, (context) => finishRun(context, runId, { totals, committed: sum }))
        return { runId, date, totals, committed: sum }
      }
      const { totals, committed: own } = await solve(scope, asked, { runId, zones })
      const committed = own === null ? null : { ...own, helped: await askNeighbours(scope, zones, { runId, actor }) }
      await database.write(scope, (context) => finishRun(context, runId, { totals, committed }))
      return { runId, date, totals, committed }
    } finally {
      await database.write(scope, (context) => freeRun(context, runId, run))
    }
  }

  return {
    start,
    startCommit,
    /** Plans at once and waits for it. */
    async run(scope: Scope, asked: RunPlan): Promise<Outcome<FinishedRun>> {
      const started = await database.write(scope, (context) => start(context, asked))
      return started.ok ? accepted(await execute(scope, started.value.runId)) : started
    },
    async commitRun(scope: Scope, runId: number): Promise<Outcome<FinishedRun>> {
      const started = await database.write(scope, (context) => startCommit(context, runId))
      return started.ok ? accepted(await execute(scope, runId)) : started
    },
    /** A round: plans what was asked for, and the waves whose slots have closed. Returns how many runs ended. */
    async workDue(scope: Scope): Promise<number> {
      const waves = await database.read(scope, (context) => dueWaves(context, datesAhead(context.now, 1)))
      for (const wave of waves) await database.write(scope, (context) => start(context, { ...wave, actor: 'system:routing waves' }))
      let done = 0
      for (;;) {
        const runId = await database.write(scope, takeDueRun)
        if (runId === null) return done
        await execute(scope, runId)
        done += 1
      }
    },
    close: () => workers.close(),
  }
}

export type Runs = ReturnType<typeof openRuns>

interface Solved {
  readonly totals: RunTotals
  readonly committed: Committed['sum'] | null
}

class Committed {
  sum = { slots: 0, routes: 0, conflicts: 0, assigned: 0, moved: 0, waiting: 0 }
  add(slot: CommittedSlot): void {
    this.sum = {
      slots: this.sum.slots + 1,
      routes: this.sum.routes + slot.routes,
      conflicts: this.sum.conflicts + slot.conflicts,
      assigned: this.sum.assigned + slot.assigned,
      moved: this.sum.moved + slot.moved,
      waiting: this.sum.waiting + slot.waiting,
    }
  }
}
