import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openContainers } from '#containers'
import { sandboxProfiles, SandboxEngine, openSandboxTwin } from '#partners/sandbox-pg/index.ts'
import { writeSettlement } from '#partners/sandbox-pg/settlement-file.ts'
import { guardTraffic, openPayments, type Payments } from '#payments'
import { openRunner, type Runner } from '#platform/operation-runner.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { untilTrue } from '#test/until.ts'
import { containerFiles, type FileReport, type HotFolder, openHotFolder, settlementFiles } from './index.ts'

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
const names = Object.keys(sandboxProfiles) as (keyof typeof sandboxProfiles)[]
let t: TestDatabases
let payments: Payments
let runner: Runner
let folder = ''
const engines = new Map<string, SandboxEngine>()

beforeAll(async () => {
  t = await openTestDatabases()
  folder = await mkdtemp(join(tmpdir(), 'throughline-hot-folder-'))
  for (const kind of ['containers', 'settlement']) await mkdir(join(folder, kind))
  for (const name of names) engines.set(name, new SandboxEngine({ seed: 3, clock: t.clock, profile: sandboxProfiles[name] }))
  payments = openPayments({
    database: t.databases.of('payments'),
    gateways: [...engines].map(([name, engine]) => guardTraffic(openSandboxTwin({ name, engine, webhookSecret: 's' }), 'sandbox')),
    installation: 'rig',
  })
  runner = openRunner({
    operations: [...payments.operations, ...openContainers({ findWaybills: async () => new Map() }).operations],
    databases: t.databases,
    standardLimit: { perSecond: 1_000_000, burst: 1_000_000 },
    nowMs: () => performance.now(),
    log: quiet,
  })
})
afterAll(async () => {
  await runner.drain()
  await payments.executor.close()
  await t.close()
  await rm(folder, { recursive: true, force: true })
})

const open = (given: Partial<Parameters<typeof openHotFolder>[0]> = {}): HotFolder =>
  openHotFolder({
    folder,
    kinds: [containerFiles, settlementFiles(payments.settlementReaders)],
    runner,
    clock: t.clock,
    quietMs: 20,
    pollMs: 5,
    log: quiet,
    ...given,
  })
const take = async (hot: HotFolder, files = 1): Promise<FileReport[]> => {
  const reports: FileReport[] = []
  t.clock.set(new Date(t.clock.now().getTime() + 1_000))
  await untilTrue(async () => (reports.push(...(await hot.look())), reports.length >= files), 15_000, `${files} taken files`)
  return reports
}
const outcomesOf = async (kind: string, name: string, where = 'done'): Promise<string[][]> => {
  const files = (await readdir(join(folder, kind, where))).filter((file) => file.endsWith(`.${name}.outcome.tsv`)).toSorted()
  const text = await readFile(join(folder, kind, where, files.at(-1) ?? 'no outcome'), 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
}
const rowsOf = async (text: string) => (await (await t.admin('live')).query(text)).rows

describe('files of containers', () => {
  const header = 'code,kind,colour,epc,grai\n'
  it('register what is good in them; a tag that does not fit, a bad kind or a short line fails alone with line and field', async () => {
    const good = 'TOTE-1,tote,blue,urn:epc:tag:grai-96:0.0614141.12345.1,\nTOTE-2,tote,blue,,\n'
    const bad = 'TOTE-3,tote,blue,3304000000000000000000ZZ,\nTOTE-4,barrel,blue,,\nTOTE-5,tote\n'
    await writeFile(join(folder, 'containers', 'a.csv'), header + good + bad)
    expect(await take(open())).toMatchObject([{ of: 'containers', outcome: 'imported', placed: 2, refused: 3, lines: 5 }])
    const outcomes = await outcomesOf('containers', 'a.csv')
    expect(outcomes.map(([line, code, outcome, , problem, field]) => [line, code, outcome, problem, field])).toEqual([
      ['2', 'TOTE-1', 'registered', '', ''],
      ['3', 'TOTE-2', 'registered', '', ''],
      ['4', 'TOTE-3', 'refused', 'containers.bad_epc', 'epc'],
      ['5', 'TOTE-4', 'refused', 'platform.invalid_input', 'kind'],
      ['6', '', 'refused', 'import.broken_line', ''],
    ])
    await writeFile(join(folder, 'containers', 'b.tsv'), (header + good).replaceAll(',', '\t'))
    await take(open())
    expect((await outcomesOf('containers', 'b.tsv')).map(([, , outcome]) => outcome)).toEqual(['known', 'known'])
  })

  it('with another header or encoding are refused as a whole, by column and line', async () => {
    await writeFile(join(folder, 'containers', 'c.csv'), 'code,kind,color\nTOTE-9,tote,blue\n')
    await writeFile(join(folder, 'containers', 'd.csv'), Buffer.concat([Buffer.from(header), Buffer.from([0x54, 0xff, 0x0a])]))
    const reports = await take(open(), 2)
    expect(reports.map(({ outcome, problem }) => [outcome, problem?.code, problem?.field])).toEqual([
      ['refused', 'hot_folder.unknown_column', 'color'],
      ['refused', 'hot_folder.not_utf8', undefined],
    ])
    expect(reports[1]?.problem?.detail).toContain('Line 2')
  })
})

describe('settlement files of gateways', () => {
  // Each gateway has forty charges and eight refunds, made by a house that has no other.
  beforeAll(async () => {
    const by = (commandId: string) => ({ actor: 'test', commandId })
    const database = t.databases.of('payments')
    for (const [at, [name, engine]] of [...engines].entries()) {
      const gateway = guardTraffic(openSandboxTwin({ name, engine, webhookSecret: 's' }), 'sandbox')
      const alone = openPayments({ database, gateways: [gateway], installation: 'rig' })
      const orders = Array.from({ length: 40 }, (_, n) => 100 * at + n + 1)
      await database.write(t.live, (context) =>
        alone.requestPayments(
          context,
          orders.map((orderId) => ({
            orderId,
            part: 0,
            storeId: 'store-1',
            customerId: 'c1',
            currency: 'EUR',
            amountMinor: 1_000 + orderId,
            plan: { legs: [{ means: 'card' as const, token: 'tok_ok' }] },
            ...by(`place ${orderId}`),
          })),
        ),
      )
      await alone.executor.idle()
      const back = orders.filter((orderId) => orderId % 5 === 0)
      await database.write(t.live, (context) =>
        alone.cancelOrRefund(
          context,
          back.map((orderId) => ({ orderId, parts: [{ part: 0, amountMinor: 100 }], reason: 'r', ...by('cancel') })),
        ),
      )
      await alone.executor.close()
    }
  })
  const day = () => t.clock.now().toISOString().slice(0, 10)
  const engineOf = (name: string): SandboxEngine => engines.get(name) as SandboxEngine

  it('are matched line by line with what moved here, and what was planted in them is found', async () => {
    expect([...engines.values()].map((engine) => engine.log().movements.length)).toEqual(names.map(() => 48))
    for (const name of names) {
      const { file, defects } = writeSettlement(engineOf(name), { day: day() })
      await writeFile(join(folder, 'settlement', `${name}.day.csv`), file)
      const [report] = await take(open())
      const outcomes = new Map(
        (await outcomesOf('settlement', `${name}.day.csv`)).map(([line = '', , outcome = '']) => [Number(line), outcome]),
      )
      const expected = {
        doubled: 'doubled',
        amount_off: 'amount_differs',
        unknown_reference: 'unknown',
        garbled: 'refused',
        trailer: 'refused',
      }
      const wanted = new Map(
        defects.flatMap(({ defect, line }) =>
          line !== null && defect in expected ? [[line, expected[defect as keyof typeof expected]]] : [],
        ),
      )
      for (const [line, outcome] of outcomes)
        expect([name, line, outcome]).toEqual([name, line, wanted.get(line) ?? (outcome === 'fee' ? 'fee' : 'matched')])
      expect(report?.refused).toBe(wanted.size)
      const breaks = await runner.run('payments.settlement_breaks', {
        context: { traffic: 'live', rehearsalId: null, actor: { id: 'x', scopes: ['settlement:read'] }, traceId: 'f'.repeat(32) },
        input: { gateway: name },
      })
      const kept = [...wanted.values()].filter((outcome) => outcome !== 'refused')
      expect((breaks as { value: { lines: unknown[] } }).value.lines).toHaveLength(kept.length)
    }
  })

  it('change nothing when they come again, under their name or another', async () => {
    const before = await rowsOf('select count(*)::int as n, max(id)::int as last from payments.settlement_line')
    const [name = ''] = names
    const { file } = writeSettlement(engineOf(name), { day: day() })
    await writeFile(join(folder, 'settlement', `${name}.again.csv`), file)
    const [again] = await take(open())
    expect(again).toMatchObject({ lines: expect.any(Number) })
    expect(await rowsOf('select count(*)::int as n, max(id)::int as last from payments.settlement_line')).toEqual(before)
  })

  it('that were broken off in the middle go on, and no line is lost or doubled', async () => {
    await rowsOf('truncate payments.settlement_line')
    const [name = ''] = names
    await rm(join(folder, 'settlement', 'receipts'), { recursive: true })
    const { file } = writeSettlement(engineOf(name), { day: day(), defects: false })
    await writeFile(join(folder, 'settlement', `${name}.torn.csv`), file)
    // Its lines are written, and it dies before it has put the file away.
    const dying = open({
      runner: {
        async runMany(...asked) {
          await runner.runMany(...asked)
          throw new Error('killed')
        },
      },
    })
    await expect(take(dying)).rejects.toThrow('killed')
    const [report] = await take(open())
    const lines = payments.settlementReaders.get(name)?.(file).lines.length
    expect(report).toMatchObject({ outcome: 'imported', placed: lines, refused: 0 })
    expect(await rowsOf('select count(*)::int as n from payments.settlement_line')).toEqual([{ n: lines }])
  })

  it('of nobody we know, or of another shape, are refused with a word on the name', async () => {
    await writeFile(join(folder, 'settlement', 'nobody.day.csv'), 'a,b\n1,2\n')
    await writeFile(join(folder, 'settlement', `${names[0]}.shape.csv`), 'a,b\n1,2\n')
    const reports = await take(open(), 2)
    expect(reports.map(({ outcome, problem }) => [outcome, problem?.code]).toSorted()).toEqual([
      ['refused', 'hot_folder.bad_structure'],
      ['refused', 'hot_folder.unknown_gateway'],
    ])
  })
})
