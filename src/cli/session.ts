import { pino } from 'pino'
import type { Clock } from '#kernel/time.ts'
import type { SandboxEngine } from '#partners/sandbox-pg/index.ts'
import type { Config } from '#platform/config.ts'
import { migrateJobs } from '#platform/jobs-engine.ts'
import { openLog } from '#platform/logs.ts'
import { migrate } from '#platform/migrations.ts'
import { isDrained as nothingOnItsWay } from '#platform/backlog.ts'
import { type Core, openCore } from '../core.ts'
import { type Engines, openEngines } from '../engines.ts'
import { openTrackCore, type TrackCore, trackContexts } from '../track-core.ts'

export interface SessionOptions {
  readonly config: Config
  readonly clock: Clock
  readonly say: (line: string) => void
  readonly twins?: ReadonlyMap<string, SandboxEngine>
}

/** A core for one verb: opened on migrated databases, nothing started, and let go of whatever happens. */
export async function withCore<T>(
  { config, clock, say, twins }: SessionOptions,
  work: (core: Core, engines: Engines) => Promise<T>,
): Promise<T> {
  const engines = await openEngines(config, say)
  try {
    await migrate(engines.server, { engines: [migrateJobs] })
    const log = openLog(config.logLevel === 'info' ? 'error' : config.logLevel, pino.destination(2))
    const core = await openCore({ config, engines, clock, log, ...(twins === undefined ? {} : { twins }) })
    try {
      return await work(core, engines)
    } finally {
      await core.close()
    }
  } finally {
    await engines.close()
  }
}

/** The same with tracking by itself: where only its tables are there, no others are made. */
export async function withTrackCore<T>({ config, clock, say }: SessionOptions, work: (core: TrackCore) => Promise<T>): Promise<T> {
  const engines = await openEngines(config, say)
  try {
    await migrate(engines.server, { engines: [migrateJobs], contexts: trackContexts })
    const log = openLog(config.logLevel === 'info' ? 'error' : config.logLevel, pino.destination(2))
    const core = await openTrackCore({ config, engines, clock, log })
    try {
      return await work(core)
    } finally {
      await core.close()
    }
  } finally {
    await engines.close()
  }
}

/** Whether every consumer has taken every event of live traffic and no payment is under way. */
export async function isDrained(core: Core): Promise<boolean> {
  await core.payments.executor.idle()
  const drained = await nothingOnItsWay(core.relay, 'live')
  const { waiting, out, unrecorded } = core.payments.executor.stats()
  return drained && waiting + out + unrecorded === 0
}

/** Waits until all is drained; false when it is not within the time. */
export async function untilDrained(core: Core, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs
  while (!(await isDrained(core))) {
    if (performance.now() > deadline) return false
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return true
}
