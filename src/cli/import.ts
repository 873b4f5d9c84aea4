import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { SettableClock, systemClock } from '#kernel/time.ts'
import {
  FolderError,
  type OlistDesk,
  type OlistOrder,
  playOlist,
  readOlist,
  type ReasonCode,
  reasons,
  type TickSize,
  type Verdict,
} from '#partners/olist/index.ts'
import { systemContext } from '#platform/request-context.ts'
import type { Core } from '../core.ts'
import type { BrokenLine } from './csv-lines.ts'
import { configOf, parse, reporter, table, UsageError, type Verb } from './command.ts'
import { describeFms, openFmsOutcome } from './fms-outcome.ts'
import { importContainers } from './import-containers.ts'
import { importFms } from './import-fms.ts'
import { importRoutingFile, importZoneFile, routingFiles } from './import-routing.ts'
import { openOlistBank, type OlistBank, olistGateways } from './olist-bank.ts'
import { isDrained, withCore } from './session.ts'

export const importVerb: Verb = {
  name: 'import',
  about:
    'play recorded orders through the operations of a storefront, or take containers, zones, slots, quotas, vehicles, depots from a file, or the history of the fulfilment monolith',
  usage: [
    'throughline import olist DIR [--json]',
    '  DIR  a folder of the Olist Brazilian marketplace data set; it is read where it lies',
    '  A second import of the same folder does only what the first left undone. No server of ours may run meanwhile: its clock is',
    '  the real one, and it would carry events of 2017 into the slots of today. History is paid at the sandboxes inside the process,',
    '  whatever GATEWAYS says: cards, bank slips that their customers pay in, and vouchers that come with their money.',
    '  JSON: orders, asExpected, explained, unexplained, perSecond, reasons. Exit code 1 when anything is unexplained.',
    '',
    'throughline import containers FILE [--json]',
    '  FILE  CSV in UTF-8 with a header: code, kind, colour, and epc, gtin, grai where there are any. A broken line fails alone.',
    '  JSON: lines, created, known, broken (line, field, code, detail). Exit code 1 when a line is broken.',
    '',
    'throughline import zones FILE [--json]',
    '  FILE  GeoJSON: a FeatureCollection of Polygons and MultiPolygons with the properties code, name, kind (zone, district), district, depot,',
    '        timeZone, postcodes. A broken feature fails alone.',
    'throughline import slots|quotas|vehicles|depots FILE [--json]',
    '  FILE  CSV in UTF-8 whose columns are the fields of the operation: slots and quotas have a column date, or a column weekday (mon … sun) for',
    '        what holds every week. A broken line fails alone.',
    '  JSON: lines, written, broken (line or number of the feature, field, code, detail). Exit code 1 when one is broken.',
    '',
    'throughline import fms DIR [--outcome FILE] [--json]',
    '  DIR  a folder with shipments.csv and tracking.csv of the fulfilment monolith (docs/reference/fms-files.md): its history goes into tracking.',
    '  What could not be taken, was taken with a change, or shows another status there than its events say goes into FILE (fms-outcome.csv), a',
    '  line each. The same folder again changes nothing; stopped in the middle, it does what was left.',
    '  JSON: shipments, events (lines, added, known, broken), noted, same, differences by kind. Exit code 1 when a line is broken.',
  ].join('\n'),
  async run(words) {
    const flags = parse(words, { outcome: { type: 'string' } })
    const [kind, path, ...rest] = flags.positionals
    const kinds = ['olist', 'fms', 'containers', 'zones', ...Object.keys(routingFiles)]
    if (kind === undefined || !kinds.includes(kind) || path === undefined || rest.length > 0)
      throw new UsageError(`import needs what and from where: one of ${kinds.join(', ')}, and a path`)
    const out = reporter(flags.flag('json'))
    if (kind !== 'fms' && flags.text('outcome') !== undefined) throw new UsageError('--outcome goes with fms')
    if (kind === 'olist') return playFolder(path, out)
    if (kind === 'fms') return fmsFolder(path, flags.text('outcome') ?? 'fms-outcome.csv', out)
    return kind === 'containers' ? registerFile(path, out) : routingFile(kind, path, out)
  },
}

type Reporter = ReturnType<typeof reporter>

const fileAt = (path: string): Promise<Buffer> =>
  readFile(path).catch((error: Error) => {
    throw new UsageError(`${path} can not be read: ${error.message}`)
  })

function sayBroken(broken: readonly BrokenLine[], what: string, out: Reporter): void {
  for (const { line, field, detail } of broken.slice(0, 50)) out.say(`${what} ${line}${field === '' ? '' : `, ${field}`}: ${detail}`)
  if (broken.length > 50) out.say(`and ${broken.length - 50} more; --json lists all`)
}

async function routingFile(kind: string, path: string, out: Reporter): Promise<number> {
  const file = await fileAt(path)
  return withCore({ config: configOf(), clock: systemClock, say: out.say }, async ({ runner }) => {
    const imported = kind === 'zones' ? await importZoneFile(runner, file) : await importRoutingFile(runner, kind, file)
    const { lines, written, broken } = imported
    sayBroken(broken, kind === 'zones' ? 'feature' : 'line', out)
    out.say(`${lines} ${kind} read: ${written} written, ${broken.length} broken`)
    out.end(imported)
    return broken.length === 0 ? 0 : 1
  })
}

async function registerFile(path: string, out: Reporter): Promise<number> {
  const file = await fileAt(path)
  return withCore({ config: configOf(), clock: systemClock, say: out.say }, async ({ runner }) => {
    const started = performance.now()
    const imported = await importContainers(runner, file)
    const { lines, created, known, broken } = imported
    sayBroken(broken, 'line', out)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    out.say(`${lines} lines in ${seconds} s: ${created} containers registered, ${known} known before, ${broken.length} broken`)
    out.end(imported)
    return broken.length === 0 ? 0 : 1
  })
}

async function fmsFolder(folder: string, outcomePath: string, out: Reporter): Promise<number> {
  return withCore({ config: configOf(), clock: systemClock, say: out.say }, async ({ tracking, databases }) => {
    const started = performance.now()
    const outcome = await openFmsOutcome(outcomePath)
    const database = databases.of('tracking')
    const imported = await importFms({ tracking, database, folder, tell: outcome.tell }).finally(() => outcome.close())
    const seconds = (performance.now() - started) / 1000
    for (const line of describeFms(imported, outcome.examples)) out.say(line)
    const lines = imported.shipments.lines + imported.events.lines
    out.say(
      `${lines} lines in ${seconds.toFixed(1)} s: ${Math.round(lines / Math.max(seconds, 0.001))} lines/s; the outcome is in ${outcomePath}`,
    )
    out.end(imported)
    return imported.shipments.broken + imported.events.broken === 0 ? 0 : 1
  })
}

async function playFolder(folder: string, out: Reporter): Promise<number> {
  // Years pass in seconds here, and limits count by the clock that the import sets.
  const clock = new SettableClock(new Date(0))
  const bank = openOlistBank(clock, randomBytes(32).toString('hex'))
  const config = {
    ...configOf(),
    limitPerSecond: 1_000_000,
    limitBurst: 1_000_000,
    gateways: olistGateways,
    sandboxPgSecret: bank.secret,
  }
  return withCore({ config, clock, say: out.say, twins: bank.twins }, async (core) => {
    const { verdicts, seconds } = await importOlist({ core, clock, bank, folder, say: out.say }).catch((error: unknown) => {
      throw error instanceof FolderError ? new UsageError(error.message) : error
    })
    const summary = summaryOf(verdicts)
    const perSecond = Math.round(verdicts.length / Math.max(seconds, 0.001))
    out.say(describe(verdicts))
    out.say(`${summary.orders} orders in ${seconds.toFixed(1)} s: ${perSecond} orders/s`)
    out.end({ ...summary, perSecond, reasons: Object.fromEntries(byReason(verdicts).map(([code, found]) => [code, found.length])) })
    return summary.unexplained === 0 ? 0 : 1
  })
}

export interface ImportOptions {
  readonly core: Core
  /** The clock that the core was opened with. */
  readonly clock: SettableClock
  /** Its twins are the core's gateways. */
  readonly bank: OlistBank
  readonly folder: string
  readonly say?: (line: string) => void
  /** How much of the data set's time is played at once. */
  readonly tick?: TickSize
  /** Which orders are played; all unless told. */
  readonly only?: (order: OlistOrder, index: number) => boolean
}

/** Imports a folder and judges each of its orders. Starts the core's relay; the core's own jobs must not run. */
export async function importOlist({
  core,
  clock,
  bank,
  folder,
  say,
  tick,
  only = () => true,
}: ImportOptions): Promise<{ verdicts: Verdict[]; seconds: number }> {
  const started = performance.now()
  const whole = await readOlist(folder)
  const data = { ...whole, orders: whole.orders.filter(only) }
  if (data.strayRows > 0) say?.(`${data.strayRows} rows of items and payments belong to no order of orders.csv`)
  let saidAt = started
  const verdicts = await playOlist(data, {
    desk: deskOf(core, clock, bank),
    ...(tick === undefined ? {} : { tick }),
    progress(at, stepsDone) {
      if (performance.now() - saidAt < 2_000) return
      saidAt = performance.now()
      say?.(
        `${((saidAt - started) / 1000).toFixed(0).padStart(4)} s  ${at.toISOString().slice(0, 10)}  ${String(stepsDone).padStart(7)} steps`,
      )
    },
  })
  return { verdicts, seconds: (performance.now() - started) / 1000 }
}

/** Most calls handed to the runner at once; its queues hold several such. */
const mostCalls = 1_000

export function deskOf(core: Core, clock: SettableClock, bank: OlistBank): OlistDesk {
  const context = systemContext('olist_import')
  return {
    async call(operation, calls) {
      const outcomes: Awaited<ReturnType<OlistDesk['call']>>[number][] = []
      for (let from = 0; from < calls.length; from += mostCalls) {
        const some = calls.slice(from, from + mostCalls).map((call) => ({ context, ...call }))
        outcomes.push(...(await core.runner.runMany(operation, some)))
      }
      return outcomes
    },
    setClock: (now) => clock.set(now),
    now: () => clock.now(),
    start: () => core.relay.start(),
    sweepPayments: async () => void (await core.payments.sweep({ traffic: 'live', rehearsalId: null })),
    payIn: (reference) => bank.payIn(reference, { runner: core.runner, clock }),
    isQuiet: () => isDrained(core),
  }
}

export function summaryOf(verdicts: readonly Verdict[]): { orders: number; asExpected: number; explained: number; unexplained: number } {
  const count = (kind: Verdict['kind']): number => verdicts.filter((verdict) => verdict.kind === kind).length
  return { orders: verdicts.length, asExpected: count('asExpected'), explained: count('explained'), unexplained: count('unexplained') }
}

function byReason(verdicts: readonly Verdict[]): [ReasonCode, { id: string; detail: string }[]][] {
  const found = new Map<ReasonCode, { id: string; detail: string }[]>()
  for (const { id, reasons: of } of verdicts) {
    for (const { code, detail } of of) found.set(code, [...(found.get(code) ?? []), { id, detail }])
  }
  return [...found].toSorted(([, a], [, b]) => b.length - a.length)
}

function describe(verdicts: readonly Verdict[]): string {
  const statuses = [...Map.groupBy(verdicts, ({ status }) => status)].toSorted(([, a], [, b]) => b.length - a.length)
  const rowOf = (name: string, of: readonly Verdict[]): (string | number)[] => {
    const { orders, asExpected, explained, unexplained } = summaryOf(of)
    return [name, orders, asExpected, explained, unexplained]
  }
  const unexplained = verdicts.filter(({ kind }) => kind === 'unexplained')
  return [
    '',
    table([
      ['status', 'orders', 'as expected', 'explained', 'unexplained'],
      ...statuses.map(([status, of]) => rowOf(status, of)),
      rowOf('all', verdicts),
    ]),
    '',
    'breaks by reason; an order may have several',
    table([
      ['orders', 'reason', 'example'],
      ...byReason(verdicts).map(([code, found]) => [found.length, reasons[code], `${found[0]?.id}: ${found[0]?.detail}`]),
    ]),
    ...(unexplained.length === 0
      ? []
      : ['', 'unexplained', ...unexplained.slice(0, 20).map(({ id, status, problem }) => `${id} (${status}) ${problem}`)]),
    '',
  ].join('\n')
}
