import { expect, it } from 'vitest'
import { secondsBetween, serviceOf } from './travel.ts'
import { verifyRoutes, type WrittenRoute } from './verify-routes.ts'

const base = { lat: 40, lng: 0 }
const door = { lat: 40.01, lng: 0 }
const way = secondsBetween(base, door)
const truck = { type: 'dry', vehicleId: 1, weightGrams: 100, volumeMl: 100, pieces: 10 } as const
const route = (change: Partial<WrittenRoute> = {}): WrittenRoute => ({
  name: 'R',
  truck,
  base,
  times: { from: 1000, to: 1000 + 2 * way + serviceOf(1) },
  slot: { opens: 1000, closes: 2000 },
  path: [{ ...door, service: serviceOf(1), arrives: 1000 + way, waybills: [1] }],
  ...change,
})
const goods = (skuType: 'dry' | 'frozen', pieces = 1) => new Map([[1, { skuType, weightGrams: 1, volumeMl: 1, pieces }]])

it('finds nothing wrong with a route that holds, and each thing that is wrong with others', () => {
  const of = (change: Partial<WrittenRoute>, waybills = goods('dry')) => verifyRoutes([route(change)], waybills)
  expect(of({})).toEqual([])
  expect(of({ slot: { opens: 0, closes: 2000 } })).toEqual([])
  const [stop] = route().path as [WrittenRoute['path'][number]]
  expect(of({ path: [{ ...stop, arrives: stop.arrives - 1 }] })[0]).toMatch(/too soon/)
  expect(of({ slot: { opens: 0, closes: 999 } })[0]).toMatch(/begins at/)
  expect(of({ times: { from: 1000, to: 1000 + 2 * way } })[0]).toMatch(/after the shift/)
  expect(of({}, goods('frozen'))[0]).toMatch(/skills/)
  expect(of({}, goods('dry', 11))[0]).toMatch(/1 over/)
  expect(of({ path: [{ ...stop, waybills: [2] }] })).toEqual(['R: waybill 2 is not known'])
  expect(verifyRoutes([route(), route({ name: 'S' })], goods('dry'))).toEqual([
    'S: waybill 1 is on another route as well',
    'S: its truck is out on R',
  ])
})
