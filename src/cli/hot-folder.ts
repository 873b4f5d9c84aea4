import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '#kernel/time.ts'
import {
  columns,
  containerColumns,
  containerFiles,
  type FileReport,
  type HotFolder,
  openHotFolder,
  orderFiles,
  settlementFiles,
} from '#partners/hot-folder/index.ts'
import type { Core, Log } from '../core.ts'
import { configOf, parse, reporter, UsageError, type Verb } from './command.ts'
import { withCore } from './session.ts'

/** The hot folder of a core, with its metrics. */
export function folderOf(
  folder: string,
  { runner, metrics, payments }: Pick<Core, 'runner' | 'metrics' | 'payments'>,
  log: Log,
): HotFolder {
  const files = metrics.counter('hot_folder_files_total', 'Files that were taken from the hot folder, by what became of them.', ['outcome'])
  const lines = metrics.counter(
    'hot_folder_entries_total',
    'Orders, containers and settlement lines in files of the hot folder, by what became of them.',
    ['of', 'outcome'],
  )
  const opened = openHotFolder({
    folder: resolve(folder),
    kinds: [orderFiles, containerFiles, settlementFiles(payments.settlementReaders)],
    runner,
    clock: systemClock,
    log,
    observe({ of, outcome, placed, refused }) {
      files('live', { outcome })
      lines('live', { of, outcome: 'placed' }, placed)
      lines('live', { of, outcome: 'refused' }, refused)
    },
  })
  metrics.gauge('hot_folder_waiting', 'Files that wait in the hot folder.', [], async () => [
    { traffic: 'live', labels: {}, value: await opened.waiting() },
  ])
  return opened
}

export const hotFolderVerb: Verb = {
  name: 'hotfolder',
  about: 'take files of orders, containers and settlements that are dropped into a folder',
  usage: [
    'throughline hotfolder DIR [--once] [--json]',
    '  DIR     files NAME.tsv and NAME.csv in it are taken when nothing has written to them for 2 s',
    '  --once  take what is there and end; else watch until it is stopped',
    `  Columns, in any order: ${columns.map(({ name, required }) => (required ? name : `[${name}]`)).join(' ')}`,
    `  In DIR/containers files of containers: ${containerColumns.map(({ name, required }) => (required ? name : `[${name}]`)).join(' ')}`,
    '  In DIR/settlement files of gateways, named GATEWAY.anything.csv.',
    '  One line is one item; lines of one order stand together. Files go to DIR/done or, refused as a whole, to DIR/failed, each with',
    '  NAME.outcome.tsv line by line. The same content twice does nothing. A server may run meanwhile; without one, orders wait for it.',
    '  JSON: files, placed, refused. Exit code 1 when anything was refused.',
  ].join('\n'),
  async run(words) {
    const flags = parse(words, { once: { type: 'boolean' } })
    const [folder, ...rest] = flags.positionals
    if (folder === undefined || rest.length > 0) throw new UsageError('hotfolder needs one folder')
    if (!(await stat(folder).catch(() => undefined))?.isDirectory()) throw new UsageError(`${folder} is not a folder`)
    const out = reporter(flags.flag('json'))
    const total = { files: 0, placed: 0, refused: 0 }
    await withCore({ config: configOf(), clock: systemClock, say: () => undefined }, async (core) => {
      const tell = (report: FileReport): void => {
        total.files += 1
        total.placed += report.placed
        total.refused += report.refused + (report.outcome === 'refused' ? 1 : 0)
        out.say(describe(report))
      }
      const log: Log = {
        info: () => undefined,
        warn: ({ err }: { err?: unknown }, message) => void (err instanceof Error && out.say(`${message}: ${err.message}`)),
        error: () => undefined,
      }
      const opened = folderOf(folder, core, log)
      const stopped = stopAsked()
      do {
        for (const report of await opened.look()) tell(report)
        await delay(500, undefined, { signal: stopped }).catch(() => undefined)
      } while (!stopped.aborted && (!flags.flag('once') || (await opened.waiting()) > 0))
      await opened.close()
    })
    out.end(total)
    return total.refused === 0 ? 0 : 1
  },
}

function describe({ file, of, outcome, placed, refused, lines, problem }: FileReport): string {
  if (problem !== undefined) return `${file}  refused: ${problem.detail} (${problem.code})`
  return outcome === 'repeated' ? `${file}  was imported before` : `${file}  ${placed} ${of} taken, ${refused} refused, ${lines} lines`
}

function stopAsked(): AbortSignal {
  const asked = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => asked.abort())
  return asked.signal
}
