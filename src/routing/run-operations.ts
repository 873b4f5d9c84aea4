import { type Static, Type } from 'typebox'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { instantIn } from '#kernel/time.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import { Code, type CurrentZones, exact, Id, isDate, LocalDate } from './capacity/index.ts'
import { changeRoutes } from './change-routes.ts'
import { compareRuns } from './compare-runs.ts'
import { moveAssignments } from './move-assignments.ts'
import { type ReadyWaybill, type SetReady, setReady } from './set-ready.ts'
import { plansOf, runsById, type StoredRun } from './run-store.ts'
import type { Runs } from './runs.ts'

const rare = {
  audited: true,
  batch: { largest: 1000, longestWaitMs: 0, concurrent: 1, largestRequest: 5000 },
  priority: 'low',
  scopes: ['routing:write'],
} as const
const Numbers = Type.Record(Type.String(), Type.Number())
const nullable = <T extends ReturnType<typeof Type.String> | typeof Numbers>(schema: T) => Type.Union([schema, Type.Null()])
const RunView = Type.Object(
  {
    runId: Id,
    date: Type.String(),
    preview: Type.Boolean(),
    solvedAt: nullable(Type.String()),
    committedAt: nullable(Type.String()),
    totals: Numbers,
    committed: nullable(Numbers),
  },
  exact,
)
const runView = ({ runId, date, asked, solvedAt, committedAt, totals, committed }: StoredRun): Static<typeof RunView> => ({
  runId,
  date,
  preview: asked['preview'] === true,
  solvedAt: solvedAt?.toISOString() ?? null,
  committedAt: committedAt?.toISOString() ?? null,
  totals,
  committed,
})
const single = { ...rare, batch: { largest: 1, longestWaitMs: 0, concurrent: 1 } } as const
const unknownRun = (runId: number, field: string) => refused('routing.unknown_run', `there is no run ${runId}`, field)

const routesUpdate = command({
  id: 'routes.update',
  context: 'routing',
  summary: 'Locks a route, opens it again, sends it off or ends it; and freezes its first stops while it is open',
  input: Type.Object(
    {
      routeId: Id,
      to: Type.Enum(['open', 'locked', 'departed', 'ended']),
      frozen: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000 })),
    },
    exact,
  ),
  output: Type.Object({ routeId: Id, state: Type.String(), frozen: Type.Integer() }, exact),
  ...rare,
  http: { method: 'POST', path: '/v1/routes/updates', batchPath: '/v1/routes/updates/batch' },
  idempotency: 'inherent',
  errors: { 'routing.unknown_route': 404, 'routing.route_not_movable': 409, 'routing.bad_frozen': 422 },
  body: (context, asked) =>
    changeRoutes(
      context,
      asked.map(({ input, actor, commandId }) => ({ ...input, actor: actor.id, commandId })),
    ),
})

const runsGet = query({
  id: 'runs.get',
  context: 'routing',
  summary: 'A run of the planner: what was asked, what came of it',
  input: Type.Object({ runId: Id }, exact),
  output: RunView,
  scopes: ['routing:read'],
  http: { method: 'GET', path: '/v1/runs/:runId' },
  batch: { largest: 200, longestWaitMs: 0 },
  priority: 'normal',
  errors: { 'routing.unknown_run': 404 },
  body: async (context, asked) => {
    const runs = await runsById(
      context,
      asked.map(({ input }) => input.runId),
    )
    return asked.map(({ input: { runId } }) => {
      const run = runs.get(runId)
      return run === undefined ? unknownRun(runId, '/runId') : accepted(runView(run))
    })
  },
})

const runsCompare = query({
  id: 'runs.compare',
  context: 'routing',
  summary: 'What differs between two runs of one date: routes, cost, who has a place, and on which truck',
  input: Type.Object({ first: Id, second: Id }, exact),
  output: Type.Object({ first: RunView, second: RunView, difference: Type.Unknown() }, exact),
  scopes: ['routing:read'],
  http: { method: 'GET', path: '/v1/runs/compare' },
  batch: { largest: 1, longestWaitMs: 0 },
  priority: 'low',
  errors: { 'routing.unknown_run': 404, 'routing.other_date': 422 },
  body: async (context, asked) => {
    const outcomes: Outcome<{ first: Static<typeof RunView>; second: Static<typeof RunView>; difference: unknown }>[] = []
    // `largest` is 1: a day's plans are megabytes.
    for (const { input } of asked) {
      const runs = await runsById(context, [input.first, input.second])
      const [first, second] = [runs.get(input.first), runs.get(input.second)]
      if (first === undefined) outcomes.push(unknownRun(input.first, '/first'))
      else if (second === undefined) outcomes.push(unknownRun(input.second, '/second'))
      else if (first.date !== second.date)
        outcomes.push(
          refused('routing.other_date', `run ${first.runId} is of ${first.date}, run ${second.runId} of ${second.date}`, '/second'),
        )
      else {
        const difference = compareRuns(await plansOf(context, first.runId), await plansOf(context, second.runId))
        outcomes.push(accepted({ first: runView(first), second: runView(second), difference }))
      }
    }
    return outcomes
  },
})

const runsPlans = query({
  id: 'runs.plans',
  context: 'routing',
  summary: 'The plans of a run for one zone, slot by slot: routes with their stops and why they are so, and who waits for what reason',
  input: Type.Object({ runId: Id, zoneId: Id }, exact),
  output: Type.Object({ plans: Type.Array(Type.Unknown()) }, exact),
  scopes: ['routing:read'],
  http: { method: 'GET', path: '/v1/runs/:runId/zones/:zoneId' },
  batch: { largest: 1, longestWaitMs: 0 },
  priority: 'normal',
  errors: { 'routing.unknown_run': 404 },
  body: async (context, asked) => {
    const outcomes: Outcome<{ plans: unknown[] }>[] = []
    // `largest` is 1.
    for (const { input } of asked) {
      const plans = await plansOf(context, input.runId, input.zoneId)
      outcomes.push(plans.length === 0 ? unknownRun(input.runId, '/runId') : accepted({ plans }))
    }
    return outcomes
  },
})

/** Runs are asked for here and worked by a round, so that no request waits for a day to be planned. */
export function runOperations(zones: CurrentZones, runs: Pick<Runs, 'start' | 'startCommit'>): readonly Operation[] {
  const assignmentsMove = command({
    id: 'assignments.move',
    context: 'routing',
    summary: 'Puts a waybill on another truck of the same hours by hand; it stays there when routes are planned anew',
    input: Type.Object({ waybillId: Id, routeId: Id, position: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })) }, exact),
    output: Type.Object({ waybillId: Id, routeId: Id, position: Type.Integer() }, exact),
    ...rare,
    http: { method: 'POST', path: '/v1/assignments/move' },
    idempotency: 'inherent',
    errors: {
      'routing.not_assigned': 409,
      'routing.unknown_route': 404,
      'routing.route_not_open': 409,
      'routing.other_slot': 409,
      'routing.wrong_temperature': 409,
      'routing.truck_full': 409,
      'routing.too_late': 409,
    },
    body: (context, asked) =>
      moveAssignments(
        context,
        asked.map(({ input, actor, commandId }) => ({ ...input, actor: actor.id, commandId })),
        zones,
      ),
  })

  const assignmentsReady = command({
    id: 'assignments.ready',
    context: 'routing',
    summary: 'Says when the goods of a waybill are at the depot: its truck leaves no sooner; null: they are there',
    input: Type.Object({ waybillId: Id, readyAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]) }, exact),
    output: Type.Object({ waybillId: Id, readyAt: nullable(Type.String()), leavesAt: nullable(Type.String()) }, exact),
    ...rare,
    http: { method: 'POST', path: '/v1/assignments/ready', batchPath: '/v1/assignments/ready/batch' },
    idempotency: 'inherent',
    errors: { 'routing.unknown_waybill': 404, 'routing.route_not_open': 409, 'routing.too_late': 409, 'routing.not_an_instant': 422 },
    body: async (context, asked) => {
      // The format of the schema lets a leap second pass, which Date does not know.
      const read = asked.map(({ input: { waybillId, readyAt } }): Outcome<SetReady> => {
        const at = readyAt === null ? null : instantIn(readyAt)
        return at === undefined
          ? refused('routing.not_an_instant', `${readyAt} is no instant that exists`, '/readyAt')
          : accepted({ waybillId, readyAt: at })
      })
      const commands = read.flatMap((one) => (one.ok ? one.value : []))
      const done = (await setReady(context, commands, zones)).values()
      const outcomes = read.map((one) => (one.ok ? (done.next().value as Outcome<ReadyWaybill>) : one))
      return outcomes.map((outcome) =>
        outcome.ok
          ? accepted({
              waybillId: outcome.value.waybillId,
              readyAt: outcome.value.readyAt?.toISOString() ?? null,
              leavesAt: outcome.value.leavesAt?.toISOString() ?? null,
            })
          : outcome,
      )
    },
  })

  const runsStart = command({
    id: 'runs.start',
    context: 'routing',
    summary: 'Asks for a run of the planner over a date, one at a time for each zone; a preview changes nothing',
    input: Type.Object(
      {
        date: LocalDate,
        zoneCodes: Type.Optional(Type.Array(Code, { minItems: 1, maxItems: 1000 })),
        seed: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
        attemptsPerDoor: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000 })),
        moveCost: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
        preview: Type.Optional(Type.Boolean()),
      },
      exact,
    ),
    output: Type.Object({ runId: Id }, exact),
    ...single,
    http: { method: 'POST', path: '/v1/runs', status: 202 },
    idempotency: 'optional',
    errors: { 'routing.unknown_zone': 404, 'routing.run_under_way': 409, 'routing.no_such_date': 422 },
    body: async (context, asked) => {
      const outcomes: Outcome<{ runId: number }>[] = []
      // `largest` is 1.
      for (const { input, actor } of asked) {
        if (!isDate(input.date)) outcomes.push(refused('routing.no_such_date', `${input.date} is in no calendar`, '/date'))
        else outcomes.push(await runs.start(context, { ...input, actor: actor.id }))
      }
      return outcomes
    },
  })

  const runsCommit = command({
    id: 'runs.commit',
    context: 'routing',
    summary: 'Asks for a preview to be made true; routes that changed since stay as they are',
    input: Type.Object({ runId: Id }, exact),
    output: Type.Object({ runId: Id }, exact),
    ...single,
    http: { method: 'POST', path: '/v1/runs/:runId/commit', status: 202 },
    idempotency: 'optional',
    errors: { 'routing.unknown_run': 404, 'routing.run_committed': 409, 'routing.run_not_ready': 409, 'routing.run_under_way': 409 },
    body: async (context, asked) => {
      const outcomes: Outcome<{ runId: number }>[] = []
      // `largest` is 1.
      for (const { input } of asked) outcomes.push(await runs.startCommit(context, input.runId))
      return outcomes
    },
  })

  return [routesUpdate, assignmentsMove, assignmentsReady, runsStart, runsCommit, runsGet, runsPlans, runsCompare]
}
