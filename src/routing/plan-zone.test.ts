import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Route } from './assign.ts'
import type { Vehicle } from './fleet.ts'
import { planZone, type PictureWaybill, type SlotPlan, type ZonePicture } from './plan-zone.ts'
import { verifyRoutes, type WrittenRoute } from './verify-routes.ts'

/** `CASES=10000` is the long form: less than a minute on a quiet machine. */
const cases = Number(process.env['CASES'] ?? 300)
const date = '2026-03-03'
const base = { lat: 40, lng: 0 }
const types = ['dry', 'frozen', 'mixed'] as const
const slots = [8, 10].map((hour) => ({
  code: `S${hour}`,
  startsAt: new Date(Date.UTC(2026, 2, 3, hour)),
  endsAt: new Date(Date.UTC(2026, 2, 3, hour + 2)),
}))

const made = fc.record({
  seed: fc.nat(1000),
  capacity: fc.integer({ min: 0, max: 12 }),
  trucks: fc.array(
    fc.record({ type: fc.constantFrom(...types), pieces: fc.integer({ min: 2, max: 30 }), tripCost: fc.integer({ min: 1000, max: 9000 }) }),
    { maxLength: 8 },
  ),
  limit: fc.option(fc.integer({ min: 0, max: 2 }), { nil: null }),
  waybills: fc.array(
    fc.record({
      door: fc.nat(20),
      skuType: fc.constantFrom(...types),
      pieces: fc.integer({ min: 1, max: 6 }),
      asked: fc.constantFrom('S8', 'S10', null),
      ready: fc.constantFrom(0, 0, 0, 8.5 * 3600, 9.75 * 3600),
    }),
    { maxLength: 40 },
  ),
})
type Made = typeof made extends fc.Arbitrary<infer T> ? T : never

function pictureOf({ seed, capacity, trucks, limit, waybills }: Made): ZonePicture {
  const vehicles = trucks.map(
    ({ type, pieces, tripCost }, at): Vehicle => ({
      vehicleId: at + 1,
      code: `T-${at + 1}`,
      type,
      weightGrams: 100_000,
      volumeMl: 100_000,
      pieces,
      depotId: null,
      base,
      tripCost,
      kmCost: 60,
      // Some begin when the first slot is half over.
      shifts: at % 3 === 2 ? new Map([[date, { from: Date.UTC(2026, 2, 3, 9) / 1000, to: Date.UTC(2026, 2, 3, 14) / 1000 }]]) : null,
    }),
  )
  return {
    zoneId: 1,
    zoneCode: 'A',
    ground: { base, centre: { lat: 40.03, lng: 0.03 } },
    date,
    now: new Date(Date.UTC(2026, 2, 2)),
    cells: slots.flatMap((slot, at) =>
      types.map((skuType, kind) => ({
        ...slot,
        zoneId: 1,
        date,
        skuType,
        cutOffAt: slot.startsAt,
        quota: { quotaId: at * 3 + kind + 1, capacity, used: 0 },
      })),
    ),
    routes: [],
    waybills: waybills.map(
      ({ door, skuType, pieces, asked, ready }, at): PictureWaybill => ({
        waybillId: at + 1,
        attempt: 1,
        orderId: door + 1,
        skuType,
        weightGrams: 1000,
        volumeMl: 1000,
        pieces,
        at: { lat: 40 + ((door * 7) % 11) / 150, lng: ((door * 5) % 13) / 150 },
        asked,
        routeId: null,
        pinned: false,
        ...(ready === 0 ? {} : { ready: Date.UTC(2026, 2, 3) / 1000 + ready }),
      }),
    ),
    held: [],
    fleet: { vehicles, busy: [], limits: new Map(limit === null ? [] : slots.map(({ code }) => [`1 ${date} ${code} dry`, limit])) },
    effort: { seed, attemptsPerDoor: 4, moveCost: 300 },
  }
}

const slotOf = (code: string) => slots.find((slot) => slot.code === code) as (typeof slots)[number]
const writtenOf = (picture: ZonePicture, plans: readonly SlotPlan[]): WrittenRoute[] =>
  plans.flatMap(({ code, routes }) =>
    routes.map(({ vehicleId, times, path }) => ({
      name: `${code} truck ${vehicleId}`,
      truck: picture.fleet.vehicles[vehicleId - 1] as Vehicle,
      base,
      times,
      slot: { opens: slotOf(code).startsAt.getTime() / 1000, closes: slotOf(code).endsAt.getTime() / 1000 },
      path,
    })),
  )

describe('a zone planned by a run', () => {
  it('breaks no load, window, temperature, truck, quota or resource, tells each waybill something, and is the same again', () => {
    fc.assert(
      fc.property(made, (facts) => {
        const picture = pictureOf(facts)
        const plans = planZone(picture)
        const byId = new Map(picture.waybills.map((waybill) => [waybill.waybillId, waybill]))
        const written = writtenOf(picture, plans)
        expect(verifyRoutes(written, byId)).toEqual([])
        const placed = plans.flatMap((plan) => plan.placed.flatMap(({ waybillIds }) => waybillIds))
        const riding = written.flatMap(({ path }) => path.flatMap(({ waybills }) => waybills))
        expect(riding.toSorted((a, b) => a - b)).toEqual(placed.toSorted((a, b) => a - b))
        const refused = plans.flatMap((plan) => plan.refused)
        expect(new Set([...placed, ...refused.map(({ waybillId }) => waybillId)]).size).toBe(picture.waybills.length)
        for (const { reason } of refused) expect(reason).toMatch(/\d/)
        for (const { waybillIds } of plans.flatMap((plan) => plan.placed)) expect(waybillIds.length).toBeLessThanOrEqual(facts.capacity)
        for (const { code, routes } of plans) {
          for (const id of routes.flatMap(({ path }) => path.flatMap(({ waybills }) => waybills)))
            expect([code, null]).toContain(byId.get(id)?.asked)
          const dry = routes.filter(({ vehicleId }) => picture.fleet.vehicles[vehicleId - 1]?.type === 'dry').length
          expect(dry).toBeLessThanOrEqual(facts.limit ?? Infinity)
        }
        expect(planZone(picture)).toEqual(plans)
      }),
      { numRuns: cases },
    )
  }, 1_800_000)

  it('planned again with more to bring, takes nobody off a truck, and leaves locked routes and frozen stops', () => {
    fc.assert(
      fc.property(made, fc.nat(3), (facts, kind) => {
        const first = pictureOf({
          ...facts,
          capacity: 40,
          waybills: facts.waybills.map((waybill) => ({ ...waybill, asked: 'S8' as const })),
        })
        const plans = planZone({ ...first, waybills: first.waybills.filter(({ waybillId }) => waybillId % 2 === 0) })
        const [slot] = slots as [(typeof slots)[number]]
        const routes = plans
          .flatMap((plan) => plan.routes)
          .map((route, at): Route => {
            const vehicle = first.fleet.vehicles[route.vehicleId - 1] as Vehicle
            const load = { weightGrams: 0, volumeMl: 0, pieces: 0 }
            for (const id of route.path.flatMap(({ waybills }) => waybills)) {
              const one = first.waybills[id - 1] as PictureWaybill
              load.weightGrams += one.weightGrams
              load.volumeMl += one.volumeMl
              load.pieces += one.pieces
            }
            const path = JSON.stringify(route.path)
            const frozen = at % 3 === 1 ? Math.min(1 + kind, route.path.length) : 0
            return {
              ...slot,
              routeId: at + 1,
              version: 1,
              zoneId: 1,
              date,
              open: at % 3 !== 0,
              vehicle,
              capacity: vehicle,
              load,
              times: route.times,
              frozen,
              path,
            }
          })
        const routeOf = new Map(
          plans
            .flatMap((plan) => plan.routes)
            .flatMap((route, at) => route.path.flatMap(({ waybills }) => waybills.map((id) => [id, at + 1]))),
        )
        const picture: ZonePicture = {
          ...first,
          routes,
          waybills: first.waybills.map((waybill) => ({ ...waybill, routeId: routeOf.get(waybill.waybillId) ?? null })),
          fleet: { ...first.fleet, busy: routes.map(({ vehicle, times }) => ({ vehicleId: vehicle.vehicleId, ...times })) },
        }
        const again = planZone(picture)
        const changed = new Map(
          again.flatMap((plan) => plan.routes).flatMap((route) => (route.routeId === null ? [] : [[route.routeId, route]])),
        )
        for (const route of routes) {
          const next = changed.get(route.routeId)
          if (!route.open) expect(next).toBe(undefined)
          const frozenOf = (path: Route['path'] | undefined) =>
            path === undefined ? [] : (JSON.parse(path) as { waybills: number[] }[]).slice(0, route.frozen)
          if (next !== undefined) expect(frozenOf(JSON.stringify(next.path))).toEqual(frozenOf(route.path))
        }
        const standing = routes.filter(({ routeId }) => !changed.has(routeId))
        const after = [
          ...again.flatMap((plan) => plan.routes).flatMap(({ path }) => path.flatMap(({ waybills }) => waybills)),
          ...standing.flatMap(({ path }) => (JSON.parse(path) as { waybills: number[] }[]).flatMap(({ waybills }) => waybills)),
        ]
        expect(new Set(after).size).toBe(after.length)
        for (const id of routeOf.keys()) expect(after).toContain(id)
        expect(verifyRoutes(writtenOf(picture, again), new Map(picture.waybills.map((one) => [one.waybillId, one])))).toEqual([])
      }),
      { numRuns: cases },
    )
  }, 1_800_000)
})
