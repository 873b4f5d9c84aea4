import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openRunner, type Runner } from '#platform/operation-runner.ts'
import { openRouting } from '#routing'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { importRoutingFile, importZoneFile } from './import-routing.ts'

let t: TestDatabases
let runner: Runner
beforeAll(async () => {
  t = await openTestDatabases()
  runner = openRunner({
    operations: openRouting({ database: t.databases.of('routing') }).operations,
    databases: t.databases,
    standardLimit: { perSecond: 100, burst: 100 },
    nowMs: () => performance.now(),
    log: { error() {}, warn() {}, info() {} },
  })
})
afterAll(async () => {
  await runner.drain()
  await t.close()
})
const run = (kind: string, ...lines: string[]) => importRoutingFile(runner, kind, Buffer.from(lines.join('\r\n')))
const briefly = ({ broken }: Awaited<ReturnType<typeof run>>) => broken.map(({ line, field, code }) => `${line} ${field} ${code}`)

describe('import of zones, slots, quotas and vehicles', () => {
  test('each broken line or feature fails alone, with its number and its field', async () => {
    const point = (x: number, y: number) => [x, y]
    const zone = (code: string, ...corners: number[][]) => ({
      type: 'Feature',
      properties: { code },
      geometry: { type: 'Polygon', coordinates: [corners] },
    })
    const square = [point(0, 0), point(0, 1), point(1, 1), point(1, 0), point(0, 0)]
    const bowTie = [point(0, 0), point(1, 1), point(1, 0), point(0, 1), point(0, 0)]
    const features = [
      zone('A', ...square),
      zone('B', ...bowTie),
      zone('C', ...square.slice(0, 4)),
      zone('D', ...square.map(([x = 0, y = 0]) => [y, x + 100])),
    ]
    const zones = await importZoneFile(runner, Buffer.from(JSON.stringify({ type: 'FeatureCollection', features })))
    expect(zones.written).toBe(1)
    expect(briefly(zones)).toEqual([
      '2 /features/1/geometry/coordinates/0/0 routing.self_crossing',
      '3 /features/2/geometry/coordinates/0/3 routing.open_ring',
      '4 /features/3/geometry/coordinates/0/0 routing.bad_coordinate',
    ])
    expect(
      briefly(await run('depots', 'code,name,timeZone,lat,lng', 'D1,Depot,Europe/Berlin,0.5,0.5', 'D2,Depot,Europe/Berlin,95,0')),
    ).toEqual(['3 lat platform.invalid_input'])
    const vehicles = await run(
      'vehicles',
      'code,type,weightGrams,volumeMl,pieces,depotCode,shiftStartsAt,shiftEndsAt',
      'T-1,dry,1000,1000,10,D1,06:00,14:00',
      'T-2,dry,1000,-1000,10,,,',
      'T-3,dry,heavy,1000,10,,,',
      'T-4,cool,1000,1000,10,,,',
      'T-5,dry,1000,1000,10,D9,,',
      'T-6,dry,1000,1000,10,,06:00,',
      'T-7,dry,1000,1000',
    )
    expect(briefly(vehicles)).toEqual([
      '3 volumeMl platform.invalid_input',
      '4 weightGrams platform.invalid_input',
      '5 type platform.invalid_input',
      '6 depotCode routing.unknown_depot',
      '7 shiftEndsAt routing.bad_shift',
      '8  import.broken_line',
    ])
    const slots = await run(
      'slots',
      'zoneCode,date,code,startsAt,endsAt,cutOffMinutes',
      'A,2026-03-04,AM,08:00,12:00,60',
      'A,2026-03-01,AM,08:00,12:00,60',
      'A,2026-02-31,AM,08:00,12:00,60',
      'A,2026-03-04,PM,12:00,11:00,60',
      'Z,2026-03-04,AM,08:00,12:00,60',
    )
    expect(briefly(slots)).toEqual([
      '3 date routing.slot_in_the_past',
      '4 date routing.no_such_date',
      '5 endsAt routing.bad_slot',
      '6 zoneCode routing.unknown_zone',
    ])
    expect(
      await run('quotas', 'zoneCode,date,slotCode,skuType,capacity,trucks', 'A,2026-03-04,AM,dry,10,', 'A,2026-03-04,AM,frozen,10,2'),
    ).toEqual({
      lines: 2,
      written: 2,
      broken: [],
    })
    expect(await run('slots', 'zoneCode,weekday,code,startsAt,endsAt,cutOffMinutes', 'A,mon,AM,08:00,12:00,60')).toMatchObject({
      written: 1,
    })
    expect(briefly(await run('quotas', 'zoneCode,weekday,slotCode,skuType,capacity', 'A,mon,AM,dry,10', 'A,tue,AM,dry,10'))).toEqual([
      '3 slotCode routing.unknown_slot',
    ])
  })

  test.each([
    ['slots', 'zoneCode,code,startsAt,endsAt,cutOffMinutes\nA,AM,08:00,09:00,1', 'either a column date or a column weekday'],
    ['vehicles', 'code,type\nA,dry', 'the header has no column weightGrams'],
    ['depots', 'code,name,timeZone,lat,lng,colour\n', 'there is no column "colour"'],
  ])('a file of %s that is wrong as a whole is refused before anything is done', async (kind, text, problem) => {
    await expect(run(kind, text)).rejects.toThrow(problem)
  })
})
