import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#kernel/time.ts'
import { type Config, readConfig } from '#platform/config.ts'
import { migrateJobs } from '#platform/jobs-engine.ts'
import { migrate } from '#platform/migrations.ts'
import { cityOf, settleCity } from '../../src/cli/city.ts'
import { type Core, openCore } from '../../src/core.ts'
import { type Engines, openEngines } from '../../src/engines.ts'

/**
 * The flags of `npm start`. V8 lets a heap grow by what it may become: told 384 MB, a server of 290 MB did the same work in
 * 200.
 */
const asStarted = ['--max-semi-space-size=24', '--max-old-space-size=384', '--no-allocation-site-pretenuring']

const silent = {
  info: () => undefined,
  warn: () => undefined,
  error: (facts: object, message: string) => process.stderr.write(`${message} ${JSON.stringify(facts)}\n`),
}

/** A database of its own in a temporary folder (fsync on), the made city settled in it, and a key to call with. */
export interface BenchHouse {
  readonly config: Config
  readonly engines: Engines
  readonly key: string
  readonly city: ReturnType<typeof cityOf>
  /** The whole, in this process: for seeding and for checks; never started while a server process is measured. */
  core(): Promise<Core>
  close(): Promise<void>
}

export async function openBenchHouse(variables: Record<string, string> = {}): Promise<BenchHouse> {
  const dataDir = await mkdtemp(join(tmpdir(), 'throughline-bench-'))
  const config = readConfig({
    DATA_DIR: dataDir,
    HTTP_PORT: '0',
    LOG_LEVEL: 'warn',
    LIMIT_PER_SECOND: '1000000',
    LIMIT_BURST: '1000000',
    ...variables,
  })
  const engines = await openEngines(config, () => undefined)
  await migrate(engines.server, { engines: [migrateJobs] })
  const city = cityOf(systemClock.now())
  const open = () => openCore({ config: { ...config, databaseStatementTimeoutMs: 600_000 }, engines, clock: systemClock, log: silent })
  const seeding = await open()
  await settleCity(seeding, city)
  const key = await seeding.authentication.issue({
    id: 'bench',
    client: 'bench',
    scopes: [...new Set(seeding.runner.operations.flatMap(({ scopes }) => scopes))],
  })
  await seeding.close()
  return {
    config,
    engines,
    key,
    city,
    core: open,
    async close() {
      await engines.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

export interface ServerProcess {
  readonly port: number
  /** Most memory that the process held so far, MB. */
  peakMemoryMb(): number
  /** Processor time used so far, s. */
  cpuSeconds(): number
  stop(): Promise<void>
}

/** The server as users run it: a process of its own, `main.ts start`, on the house's database. */
export async function startServer(house: BenchHouse, variables: Record<string, string> = {}): Promise<ServerProcess> {
  const child: ChildProcess = spawn(process.execPath, [...asStarted, join(import.meta.dirname, '../../src/main.ts'), 'start'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      DATA_DIR: house.config.dataDir,
      HTTP_PORT: '0',
      LOG_LEVEL: 'warn',
      LIMIT_PER_SECOND: '1000000',
      LIMIT_BURST: '1000000',
      ...variables,
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    let said = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      const found = /ready in .* at http:\/\/[^:]+:(\d+)/.exec(said)
      if (found) resolve(Number(found[1]))
    })
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${said}`)))
  })
  const proc = (file: string) => readFileSync(`/proc/${child.pid}/${file}`, 'utf8')
  return {
    port,
    peakMemoryMb: () => Number(/VmHWM:\s+(\d+)/.exec(proc('status'))?.[1] ?? 0) / 1024,
    cpuSeconds() {
      const fields = proc('stat').split(') ').at(-1)?.split(' ') ?? []
      return (Number(fields[11]) + Number(fields[12])) / 100
    },
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await ended
    },
  }
}
