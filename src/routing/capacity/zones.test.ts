import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { madeCity } from './made-city.ts'
import { insideRing, type Position, readZones, type Ring, type ZoneShape } from './zone-reader.ts'
import { buildZoneMap } from './zones.ts'

const feature = (coordinates: unknown, properties: object = { code: 'A' }) => ({
  type: 'Feature',
  properties,
  geometry: { type: 'Polygon', coordinates },
})
const square = [
  [0, 0],
  [4, 0],
  [4, 4],
  [0, 4],
  [0, 0],
]
const hole = [
  [1, 1],
  [1, 2],
  [2, 2],
  [2, 1],
  [1, 1],
]
const errorOf = (value: unknown) => {
  const [outcome] = readZones([value])
  return outcome?.ok === false ? outcome.error : undefined
}
const shapesOf = (features: readonly unknown[]) =>
  readZones(features).map((outcome) => {
    if (!outcome.ok) throw new Error(outcome.error.detail)
    return outcome.value
  })
const mapOf = (shapes: readonly ZoneShape[]) =>
  buildZoneMap(
    1,
    shapes.map((shape, index) => ({ ...shape, zoneId: index + 1, base: null, centre: null })),
  )

describe('reading zones', () => {
  it('refuses a bad feature alone, naming the feature and the coordinate', () => {
    const bowTie = [
      [
        [0, 0],
        [4, 4],
        [4, 0],
        [0, 4],
        [0, 0],
      ],
    ]
    const outcomes = readZones([feature([square]), feature(bowTie, { code: 'B' }), feature([square], { code: 'A' })])
    expect(outcomes.map((outcome) => (outcome.ok ? 'ok' : `${outcome.error.code} ${outcome.error.field}`))).toEqual([
      'ok',
      'routing.self_crossing /features/1/geometry/coordinates/0/0',
      'routing.duplicate_zone /features/2/properties/code',
    ])
  })

  it.each([
    ['an open ring', [square.slice(0, 4)], 'routing.open_ring', '/features/0/geometry/coordinates/0/3'],
    [
      'too few positions',
      [
        [
          [0, 0],
          [1, 1],
          [0, 0],
        ],
      ],
      'routing.open_ring',
      '/features/0/geometry/coordinates/0',
    ],
    [
      'a latitude off the Earth',
      [
        [
          [0, 0],
          [1, 91],
          [1, 0],
          [0, 0],
        ],
      ],
      'routing.bad_coordinate',
      '/features/0/geometry/coordinates/0/1',
    ],
    [
      'a coordinate that is no number',
      [
        [
          [0, 0],
          ['1', 1],
          [1, 0],
          [0, 0],
        ],
      ],
      'routing.bad_coordinate',
      '/features/0/geometry/coordinates/0/1',
    ],
    [
      'a ring of one point',
      [
        [
          [1, 1],
          [1, 1],
          [1, 1],
          [1, 1],
        ],
      ],
      'routing.flat_ring',
      '/features/0/geometry/coordinates/0',
    ],
    [
      'a ring that folds back',
      [
        [
          [0, 0],
          [4, 0],
          [2, 0],
          [2, 2],
          [0, 0],
        ],
      ],
      'routing.self_crossing',
      '/features/0/geometry/coordinates/0/0',
    ],
    [
      'a ring that touches itself',
      [
        [
          [0, 0],
          [4, 0],
          [4, 4],
          [2, 0],
          [0, 4],
          [0, 0],
        ],
      ],
      'routing.self_crossing',
      '/features/0/geometry/coordinates/0/0',
    ],
    ['a hole outside', [square, hole.map(([x = 0, y = 0]) => [x + 10, y])], 'routing.bad_zone', '/features/0/geometry/coordinates/1'],
    [
      'a hole that crosses the border',
      [square, hole.map(([x = 0, y = 0]) => [x + 2.5, y])],
      'routing.self_crossing',
      '/features/0/geometry/coordinates/0/1',
    ],
  ])('refuses %s', (_, coordinates, code, field) => {
    expect(errorOf(feature(coordinates))).toMatchObject({ code, field })
  })

  it('refuses an unknown time zone and a zone with neither border nor postcodes', () => {
    expect(errorOf(feature([square], { code: 'A', timeZone: 'Mars/Olympus' }))).toMatchObject({ field: '/features/0/properties/timeZone' })
    expect(errorOf({ type: 'Feature', properties: { code: 'A' }, geometry: null })).toMatchObject({ field: '/features/0/geometry' })
  })
})

describe('finding the zone of a point', () => {
  it('leaves holes out, takes the smaller id where zones overlap, and falls back to postcodes without a point', () => {
    const zones = mapOf(
      shapesOf([
        feature([square, hole], { code: 'A' }),
        feature([square.map(([x = 0, y = 0]) => [x + 3, y])], { code: 'B', postcodes: ['l2e 1a1'] }),
      ]),
    )
    const at = (lng: number, lat: number) => zones.locate({ lng, lat, postcode: '' })?.code
    expect([at(0.5, 0.5), at(1.5, 1.5), at(3.5, 2), at(6, 2), at(9, 9)]).toEqual(['A', undefined, 'A', 'B', undefined])
    expect(zones.locate({ postcode: 'L2E-1A1' })?.code).toBe('B')
    expect(zones.locate({ postcode: 'X' })).toBeUndefined()
  })

  it('puts a point on a shared border into exactly one zone, for random partitions of a square', () => {
    const size = 4
    const jitter = fc.array(fc.double({ min: -0.3, max: 0.3, noNaN: true }), { minLength: 50, maxLength: 50 })
    const part = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(jitter, fc.array(fc.tuple(fc.nat(), fc.nat(), part), { minLength: 30, maxLength: 30 }), (shifts, points) => {
        // A grid whose inner corners are moved at random: its cells share every border exactly.
        const corner = (x: number, y: number): Position =>
          x % size === 0 || y % size === 0 ? [x, y] : [x + (shifts[y * 5 + x] ?? 0), y + (shifts[25 + y * 5 + x] ?? 0)]
        const cells: Ring[] = []
        for (let x = 0; x < size; x += 1)
          for (let y = 0; y < size; y += 1) {
            const loop = [corner(x, y), corner(x + 1, y), corner(x + 1, y + 1), corner(x, y + 1), corner(x, y)]
            cells.push((x + y) % 2 === 0 ? loop : loop.toReversed())
          }
        for (const [cellNo, edgeNo, along] of points) {
          const ring = cells[cellNo % cells.length] as Ring
          const a = ring[edgeNo % 4] as Position
          const b = ring[(edgeNo % 4) + 1] as Position
          const point: Position = along < 0.2 ? a : [a[0] + (b[0] - a[0]) * along, a[1] + (b[1] - a[1]) * along]
          const outside = point[0] <= 0 || point[1] <= 0 || point[0] >= size || point[1] >= size
          const holders = cells.filter((cell) => insideRing(cell, point)).length
          if (outside ? holders > 1 : holders !== 1) throw new Error(`${point.join()} is in ${holders} zones`)
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('the made city', () => {
  const city = madeCity({ seed: 7, firstDate: '2026-03-03', days: 2 })

  it('is made of twelve valid zones that cover their addresses, and is the same for the same seed', () => {
    const zones = mapOf(shapesOf(city.features))
    expect(zones.zones).toHaveLength(12)
    const seen = new Set<string>()
    for (let n = 0; n < 2000; n += 1) {
      const zone = zones.locate(city.address(n))
      expect(zone, `address ${n}`).toBeDefined()
      seen.add(zone?.code ?? '')
    }
    expect(seen.size).toBe(12)
    expect(JSON.stringify(madeCity({ seed: 7, firstDate: '2026-03-03', days: 2 }))).toBe(JSON.stringify(city))
    expect(madeCity({ seed: 8, firstDate: '2026-03-03', days: 2 }).features).not.toEqual(city.features)
  })

  it('has slots, quotas for each SKU type and trucks of each type', () => {
    expect([city.slots.length, city.quotas.length]).toEqual([12 * 2 * 6, 12 * 2 * 6 * 3])
    expect(new Set(city.vehicles.map((vehicle) => vehicle.type))).toEqual(new Set(['dry', 'frozen', 'mixed']))
  })
})
