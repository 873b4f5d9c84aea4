import { describe, expect, it } from 'vitest'
import { type Board, type Cell, planAssignments, type Request, type Vehicle } from './assign.ts'

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
  ...change,
})
const board = (change: Partial<Board> = {}): Board => ({
  now,
  cells: [cell('08')],
  routes: [],
  held: [],
  fleet: { vehicles: [truck(1)], busy: [] },
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
    const routes = [
      { routeId: 5, zoneId: 1, date: '2026-03-03', code: '08', vehicleId: 9, vehicleCode: 'T-9', type: 'dry', room: truck(9) } as const,
    ]
    expect(only([request(), request()], board({ routes }))).toEqual(['08 truck 9', '08 truck 1'])
    expect(planAssignments([request()], board({ routes, fleet: null })).needsFleet).toBe(false)
    expect(planAssignments([request()], board({ fleet: null })).needsFleet).toBe(true)
  })

  it('sends a truck to one place at a time and never out for what it cannot carry', () => {
    const overlapping = cell('09', { skuType: 'frozen', quota: { quotaId: 9, capacity: 2, used: 0 } })
    const cells = [cell('08'), overlapping]
    const frozen = request({ skuType: 'frozen', asked: { date: '2026-03-03', code: '09' } })
    expect(only([request(), frozen], board({ cells, fleet: { vehicles: [truck(1, { type: 'mixed' })], busy: [] } }))[1]).toMatch(
      /^no_vehicle/,
    )
    expect(only([frozen], board({ cells }))[0]).toBe(
      'no_vehicle: no truck takes frozen goods: 0 routes open and 0 of 0 fitting trucks free for 09 on 2026-03-03',
    )
    const busy = [{ vehicleId: 1, startsAt: new Date('2026-03-03T07:00:00Z'), endsAt: new Date('2026-03-03T08:00:01Z') }]
    expect(only([request()], board({ fleet: { vehicles: [truck(1)], busy } }))[0]).toMatch(/^no_vehicle/)
  })

  it('never sells a place twice, and takes nothing from the quota when no truck is found', () => {
    const fleet = { vehicles: [truck(1), truck(2), truck(3)], busy: [] }
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
})
