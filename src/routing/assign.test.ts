import { describe, expect, it } from 'vitest'
import { type Board, type Cell, planAssignments, type Request, type Route } from './assign.ts'
import type { Vehicle } from './fleet.ts'

const seconds = (instant: string) => new Date(instant).getTime() / 1000
const now = new Date('2026-03-02T09:00:00Z')
const cell = (code: string, change: Partial<Cell> = {}): Cell => ({
  zoneId: 1,
  date: '2026-03-03',
  code,
  skuType: 'dry',
  startsAt: new Date(`2026-03-03T${code}:00:00Z`),
  endsAt: new Date(`2026-03-03T${String(Number(code) + 2).padStart(2, '0')}:00:00Z`),
  cutOffAt: new Date('2026-03-03T06:00:00Z'),
  quota: { quotaId: Number(code), capacity: 2, used: 0 },
  ...change,
})
const request = (change: Partial<Request> = {}): Request => ({
  orderId: 1,
  waybillId: 1,
  at: { lat: 40, lng: 0 },
  zoneId: 1,
  zoneCode: 'N1',
  skuType: 'dry',
  asked: { date: '2026-03-03', code: '08' },
  weightGrams: 1000,
  volumeMl: 60_000,
  pieces: 1,
  ...change,
})
const truck = (vehicleId: number, change: Partial<Vehicle> = {}): Vehicle => ({
  vehicleId,
  code: `T-${vehicleId}`,
  type: 'dry',
  weightGrams: 100_000,
  volumeMl: 100_000,
  pieces: 10,
  depotId: null,
  base: null,
  tripCost: 5000,
  kmCost: 60,
  shifts: null,
  ...change,
})
const route = (vehicle: Vehicle, change: Partial<Route> = {}): Route => ({
  routeId: 5,
  version: 1,
  zoneId: 1,
  date: '2026-03-03',
  code: '08',
  open: true,
  vehicle,
  capacity: vehicle,
  load: { weightGrams: 0, volumeMl: 0, pieces: 0 },
  times: { from: seconds('2026-03-03T08:00:00Z'), to: seconds('2026-03-03T10:00:00Z') },
  startsAt: new Date('2026-03-03T08:00:00Z'),
  endsAt: new Date('2026-03-03T10:00:00Z'),
  frozen: 0,
  path: '[]',
  ...change,
})
const fleetOf = (vehicles: Vehicle[], busy: { vehicleId: number; from: number; to: number }[] = []) => ({
  vehicles,
  busy,
  limits: new Map<string, number>(),
})
const board = (change: Partial<Board> = {}): Board => ({
  now,
  cells: [cell('08')],
  routes: [],
  held: [],
  zones: new Map([[1, { base: null, centre: { lat: 40, lng: 0 } }]]),
  fleet: fleetOf([truck(1)]),
  ...change,
})
const only = (requests: readonly Request[], on: Board) =>
  planAssignments(requests, on).places.map((place) =>
    'reason' in place ? `${place.code}: ${place.reason}` : `${place.cell.code} truck ${place.vehicleId}`,
  )

describe('assigning', () => {
  it('says by how much the closest truck is too small', () => {
    expect(only([request(), request()], board())).toEqual([
      '08 truck 1',
      'no_vehicle: 20 litres over on truck T-1; 1 routes open and 0 of 1 fitting trucks free for 08 on 2026-03-03',
    ])
    expect(only([request({ pieces: 12 })], board())).toEqual([
      'no_vehicle: 2 pieces over on truck T-1; 0 routes open and 1 of 1 fitting trucks free for 08 on 2026-03-03',
    ])
  })

  it('fills a route that is open before it opens another', () => {
    const routes = [route(truck(9))]
    expect(only([request(), request()], board({ routes }))).toEqual(['08 truck 9', '08 truck 1'])
    expect(planAssignments([request()], board({ routes, fleet: null })).needsFleet).toBe(false)
    expect(planAssignments([request()], board({ fleet: null })).needsFleet).toBe(true)
  })

  it('sends a truck to one place at a time and never out for what it cannot carry', () => {
    const overlapping = cell('09', { skuType: 'frozen', quota: { quotaId: 9, capacity: 2, used: 0 } })
    const cells = [cell('08'), overlapping]
    const frozen = request({ skuType: 'frozen', asked: { date: '2026-03-03', code: '09' } })
    expect(only([request(), frozen], board({ cells, fleet: fleetOf([truck(1, { type: 'mixed' })]) }))[1]).toMatch(/^no_vehicle/)
    expect(only([frozen], board({ cells }))[0]).toBe(
      'no_vehicle: no truck takes frozen goods: 0 routes open and 0 of 0 fitting trucks free for 09 on 2026-03-03',
    )
    const busy = [{ vehicleId: 1, from: seconds('2026-03-03T07:00:00Z'), to: seconds('2026-03-03T08:00:01Z') }]
    expect(only([request()], board({ fleet: fleetOf([truck(1)], busy) }))[0]).toMatch(/^no_vehicle/)
  })

  it('never sells a place twice, and takes nothing from the quota when no truck is found', () => {
    const fleet = fleetOf([truck(1), truck(2), truck(3)])
    expect(only([request(), request(), request()], board({ fleet }))).toEqual([
      '08 truck 1',
      '08 truck 2',
      'quota_full: all 2 dry places of slot 08 on 2026-03-03 of zone N1 are taken',
    ])
    const tooBig = request({ pieces: 99 })
    expect(only([tooBig, tooBig, tooBig, request()], board({ fleet })).at(-1)).toBe('08 truck 1')
  })

  it('takes the first open slot when none was asked, and says when the asked one has closed', () => {
    const cells = [cell('10'), cell('08', { quota: { quotaId: 8, capacity: 1, used: 1 } })]
    expect(only([request({ asked: null })], board({ cells }))).toEqual(['10 truck 1'])
    const late = board({ cells: [cell('08', { cutOffAt: new Date('2026-03-02T08:48:00Z') })] })
    expect(only([request()], late)).toEqual(['slot_closed: slot 08 on 2026-03-03 of zone N1 closed 12 min ago'])
    expect(only([request({ asked: { date: '2026-03-03', code: '77' } })], board())).toEqual([
      'no_slot: zone N1 has no slot 77 on 2026-03-03',
    ])
    expect(only([request()], board({ cells: [cell('08', { quota: null })] }))).toEqual([
      'no_quota: no dry quota is set for slot 08 on 2026-03-03 of zone N1',
    ])
  })

  it('gives the route a larger truck where that costs less than one more, and frees the smaller one', () => {
    const small = truck(9)
    const next = truck(2, { volumeMl: 200_000, tripCost: 5500 })
    const full = route(small, {
      load: { weightGrams: 1000, volumeMl: 60_000, pieces: 1 },
      path: JSON.stringify([{ lat: 40, lng: 0, service: 105, arrives: seconds('2026-03-03T08:00:00Z'), waybills: [77] }]),
    })
    const plan = planAssignments([request({ waybillId: 2 })], board({ routes: [full], fleet: fleetOf([next]) }))
    expect(plan.places).toMatchObject([{ routeId: 5, vehicleId: 2 }])
    expect(plan.changedRoutes).toMatchObject([{ routeId: 5, vehicle: { vehicleId: 2 }, path: [{ waybills: [77, 2] }] }])
    expect(plan.changedRoutes[0]?.why).toBe('; from truck T-9 (dry) to T-2 (dry) for 500 more: another truck costs 5500')
    // One more truck is cheaper when the larger one is dear; and a mixed truck takes over where frozen goods come to dry ones.
    const dear = fleetOf([truck(2, { volumeMl: 200_000, tripCost: 90_000 }), truck(3)])
    expect(planAssignments([request({ waybillId: 2 })], board({ routes: [full], fleet: dear })).newRoutes).toMatchObject([
      { vehicle: { vehicleId: 3 } },
    ])
    const frozen = cell('08', { skuType: 'frozen', quota: { quotaId: 80, capacity: 2, used: 0 } })
    const mixed = fleetOf([truck(4, { type: 'mixed', volumeMl: 500_000, tripCost: 6000 })])
    expect(
      planAssignments([request({ skuType: 'frozen' })], board({ cells: [frozen], routes: [full], fleet: mixed })).places,
    ).toMatchObject([{ routeId: 5, vehicleId: 4 }])
  })

  it('keeps to the truck resources of a slot, to shifts and depots, and leaves locked routes alone', () => {
    const limits = new Map([['1 2026-03-03 08 dry', 1]])
    const two = [request(), request()]
    expect(only(two, board({ fleet: { ...fleetOf([truck(1), truck(2)]), limits } }))[1]).toBe(
      'no_vehicle: 20 litres over on truck T-1; 1 free trucks are more than the slot may have; 1 routes open and 1 of 2 fitting trucks free for 08 on 2026-03-03',
    )
    const shifts = (from: string, to: string) => new Map([['2026-03-03', { from: seconds(from), to: seconds(to) }]])
    const early = truck(1, { shifts: shifts('2026-03-03T00:00:00Z', '2026-03-03T08:00:00Z') })
    expect(only([request()], board({ fleet: fleetOf([early]) }))[0]).toMatch(/^no_vehicle/)
    const zones = new Map([[1, { base: null, centre: { lat: 40, lng: 0 }, depotId: 3 }]])
    expect(only([request()], board({ zones, fleet: fleetOf([truck(1, { depotId: 4 })]) }))[0]).toMatch(/^no_vehicle/)
    expect(only([request()], board({ routes: [route(truck(9), { open: false })] }))[0]).toBe('08 truck 1')
  })

  it('says how late the truck that comes closest would be', () => {
    const far = { lat: 41, lng: 0 }
    const door = { ...far, service: 105, arrives: seconds('2026-03-03T08:00:00Z'), waybills: [77] }
    const one = route(truck(9), { path: JSON.stringify([door]) })
    // 111 km further south, by streets 145 km: 4 h 49 min at 30 km/h, where 1 h 58 min are left.
    expect(only([request({ volumeMl: 1 })], board({ routes: [one], fleet: fleetOf([]) }))[0]).toMatch(
      /^no_vehicle: truck T-9 comes 17\d min late;/,
    )
  })
})
