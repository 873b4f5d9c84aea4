import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openContainers } from '#containers'
import { openRunner, type Runner } from '#platform/operation-runner.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { importContainers } from './import-containers.ts'

let t: TestDatabases
let runner: Runner
beforeAll(async () => {
  t = await openTestDatabases()
  runner = openRunner({
    operations: openContainers({ findWaybills: () => Promise.resolve(new Map()) }).operations,
    databases: t.databases,
    standardLimit: { perSecond: 1, burst: 1 },
    nowMs: () => performance.now(),
    log: { error() {}, warn() {}, info() {} },
  })
})
afterAll(async () => {
  await runner.drain()
  await t.close()
})
const run = (text: string | Buffer) => importContainers(runner, Buffer.from(text))

describe('import of containers from CSV', () => {
  test('a broken line fails alone, with its number and its column', async () => {
    const file = [
      '\uFEFFcode,kind,colour,epc,grai',
      'CSV-1,tote,blue,,',
      'CSV-2,tote,blue,3374257BF40C0E4000000190,00614141123452',
      '',
      'CSV-3,tote,blue,3374257BF40C0E4000000191,00614141123453',
      'CSV-4,crate,blue,,',
      'CSV-5,tote,blue',
      '"CSV-6","tote","light ""blue""",,',
      'CSV-7,tote,blue,3374257BF40C0E4000000190,',
      ',tote,blue,,',
      'CSV-8,"bo"x,blue,,',
      'CSV-9,box,blue,,',
    ].join('\r\n')
    const { broken, ...counts } = await run(file)
    expect(broken.map(({ line, field, code }) => `${line} ${field} ${code}`)).toEqual([
      '5 grai containers.bad_printed_key',
      '6 kind platform.invalid_input',
      '7  import.broken_line',
      '8 colour platform.invalid_input',
      '9 epc containers.tag_taken',
      '10 code platform.invalid_input',
      '11  import.broken_line',
    ])
    expect(broken[0]?.detail).toBe('the check digit of GRAI 00614141123453 is 3; for 0061414112345 it must be 2')
    expect(counts).toEqual({ lines: 10, created: 3, known: 0 })
    expect(await run(file)).toMatchObject({ lines: 10, created: 0, known: 3, broken: { length: 7 } })
  })

  test('10,000 lines are taken, and two imports of the same file at the same time register each once', { timeout: 60_000 }, async () => {
    const file = ['colour,kind,code', ...Array.from({ length: 10_000 }, (_, n) => `red,bag,BULK-${n}`)].join('\n')
    const both = await Promise.all([run(file), run(file)])
    expect(both.reduce((sum, { created }) => sum + created, 0)).toBe(10_000)
    expect(both.reduce((sum, { known }) => sum + known, 0)).toBe(10_000)
    expect(both.flatMap(({ broken }) => broken)).toEqual([])
  })

  test.each([
    ['code,kind\nA,tote', 'the header has no column colour'],
    ['code,kind,colour,weight\nA,tote,blue,1', 'there is no column "weight"'],
    ['', 'the header has no column code'],
    [Buffer.from([0x63, 0xff, 0xfe]), 'the file is not valid UTF-8'],
  ])('a file that is wrong as a whole is refused before anything is done: %j', async (file, problem) => {
    await expect(run(file)).rejects.toThrow(problem)
  })
})
