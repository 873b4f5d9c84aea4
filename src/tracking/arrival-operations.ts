import { Type } from 'typebox'
import { accepted, refused } from '#kernel/outcome.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import { type LaneDistance, modelsOf, putLanes } from './arrival-store.ts'
import { fitArrivalModel } from './arrivals.ts'
import { exact } from './schemas.ts'

const End = Type.String({ minLength: 1, maxLength: 64 })

const lanes = command({
  id: 'tracking.put_lane',
  context: 'tracking',
  summary: 'Says how far it is between the ends of a lane, which estimates of arrival look at',
  input: Type.Object({ from: End, to: End, distanceKm: Type.Number({ minimum: 0, maximum: 20_100 }) }, exact),
  output: Type.Object({ from: End, to: End }, exact),
  scopes: ['tracking:write'],
  http: { method: 'PUT', path: '/v1/track/lanes' },
  batch: { largest: 1000, longestWaitMs: 2 },
  priority: 'low',
  idempotency: 'inherent',
  errors: {},
  body: async (context, asked) => {
    // The last of two for one lane holds: a statement can not touch a row twice.
    const last = new Map<string, LaneDistance>(asked.map(({ input }) => [`${input.from}\n${input.to}`, input]))
    await putLanes(context, [...last.values()])
    return asked.map(({ input: { from, to } }) => accepted({ from, to }))
  },
})

const fit = command({
  id: 'tracking.fit_arrivals',
  context: 'tracking',
  summary: 'Learns from what was delivered how long each stage takes; the new model tells from now on. A round does it once a day',
  input: Type.Object(
    {
      utcOffsetMinutes: Type.Optional(
        Type.Integer({ minimum: -840, maximum: 840, description: 'of the local time in which weekdays begin; 0 unless told' }),
      ),
    },
    exact,
  ),
  output: Type.Object({ model: Type.Integer(), shipments: Type.Integer(), cases: Type.Integer(), cells: Type.Integer() }, exact),
  scopes: ['tracking:write'],
  http: { method: 'POST', path: '/v1/track/arrival-models', batchPath: null },
  batch: { largest: 1, longestWaitMs: 0 },
  priority: 'low',
  idempotency: 'optional',
  errors: { 'tracking.nothing_delivered': 409 },
  body: async (context, asked) => {
    const fitted = await fitArrivalModel(context, asked[0]?.input)
    const nothing = refused(
      'tracking.nothing_delivered',
      'nothing that was opened within a year has been delivered, so there is nothing to learn from',
    )
    return asked.map(() => (fitted === null ? nothing : accepted(fitted)))
  },
})

const models = query({
  id: 'tracking.list_arrival_models',
  context: 'tracking',
  summary: 'The models that have told arrivals, newest first; the first one tells now',
  input: Type.Object({}, exact),
  output: Type.Object(
    {
      models: Type.Array(
        Type.Object(
          {
            model: Type.Integer(),
            until: Type.String(),
            fittedAt: Type.String(),
            shipments: Type.Integer(),
            cases: Type.Integer(),
            utcOffsetMinutes: Type.Integer(),
          },
          exact,
        ),
      ),
    },
    exact,
  ),
  scopes: ['tracking:read'],
  http: { method: 'GET', path: '/v1/track/arrival-models' },
  batch: { largest: 32, longestWaitMs: 0 },
  priority: 'low',
  errors: {},
  body: async (context, asked) => {
    const rows = await modelsOf(context, 14)
    const found = rows.map(({ id, untilAt, fittedAt, shipments, cases, utcOffsetMinutes }) => ({
      model: id,
      until: untilAt.toISOString(),
      fittedAt: fittedAt.toISOString(),
      shipments,
      cases,
      utcOffsetMinutes,
    }))
    return asked.map(() => accepted({ models: found }))
  },
})

export const arrivalOperations: readonly Operation[] = [lanes, fit, models]
