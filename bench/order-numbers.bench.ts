import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { numberFlag, printReport } from './support/report.ts'
import { openBenchHouse } from './support/server-process.ts'

/**
 * Ten million order numbers from 16 processes at once, a quarter of which are killed (-9) on the way and started again. Every
 * number is compared with every other one. The rival in the same run: a sequence asked once for each number, as is usual.
 */
const wanted = numberFlag('numbers', 10_000_000)
const processes = numberFlag('processes', 16)
const kills = Math.ceil(processes / 4)
const folder = mkdtempSync(join(tmpdir(), 'throughline-numbers-'))
const house = await openBenchHouse()
const written = (): number => readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size / 8, 0)
try {
  let errors = 0
  const started = performance.now()
  const maker = (index: number, run: number): ChildProcess => {
    const file = join(folder, `${index}-${run}`)
    // A tenth more than the share, so that what a killed process loses does not leave the total short.
    const count = String(Math.ceil((wanted / processes) * 1.1))
    return spawn(process.execPath, [join(import.meta.dirname, 'support/number-maker.ts'), house.config.dataDir, file, count], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  }
  const ended = (child: ChildProcess) =>
    new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }))
    })
  let killed = 0
  await Promise.all(
    Array.from({ length: processes }, async (_, index) => {
      const first = maker(index, 1)
      const end = ended(first)
      if (index < kills) {
        // Somewhere in its work: when a share of all, another for each, is written.
        const at = (wanted * (index + 1)) / (kills + 2)
        const watch = setInterval(() => {
          if (written() >= at) {
            clearInterval(watch)
            if (first.kill('SIGKILL')) killed += 1
          }
        }, 50)
        await end
        clearInterval(watch)
        if ((await ended(maker(index, 2))).code !== 0) errors += 1
      } else if ((await end).code !== 0) errors += 1
    }),
  )
  const seconds = (performance.now() - started) / 1000
  const total = written()
  const all = new BigUint64Array(total)
  let at = 0
  for (const name of readdirSync(folder)) {
    const bytes = readFileSync(join(folder, name))
    const numbers = new BigUint64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + Math.floor(bytes.length / 8) * 8))
    all.set(numbers, at)
    at += numbers.length
  }
  all.sort()
  let doubled = 0
  for (let index = 1; index < all.length; index += 1) if (all[index] === all[index - 1]) doubled += 1

  const admin = new pg.Client(house.engines.server.admin('live'))
  await admin.connect()
  await admin.query('create sequence public.rival')
  const rivals = await Promise.all(
    Array.from({ length: processes }, async () => {
      const client = new pg.Client(house.engines.server.admin('live'))
      await client.connect()
      return client
    }),
  )
  const rivalFrom = performance.now()
  let asked = 0
  await Promise.all(
    rivals.map(async (client) => {
      while (performance.now() - rivalFrom < 3_000) {
        await client.query({ name: 'rival', text: `select nextval('public.rival')` })
        asked += 1
      }
    }),
  )
  const rivalPerSecond = (asked / (performance.now() - rivalFrom)) * 1000
  for (const client of [...rivals, admin]) await client.end()
  printReport({
    bench: 'order-numbers',
    rows: [
      { what: 'order numbers made', value: total, unit: '', beside: `bar ${wanted.toLocaleString('en')}, ${processes} processes` },
      { what: 'processes killed and started again', value: killed, unit: '' },
      { what: 'rate', value: total / seconds, unit: '/s', beside: 'starts of the processes included' },
      { what: 'rival: a sequence asked once a number', value: rivalPerSecond, unit: '/s' },
      { what: 'numbers that are there twice', value: doubled, unit: '', beside: 'bar 0' },
    ],
    figures: { numbers: total, processes, killed, perSecond: total / seconds, rivalPerSecond },
    counts: { lost: Math.max(0, wanted - total), doubled, errors },
  })
} finally {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
}
