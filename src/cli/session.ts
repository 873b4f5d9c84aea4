import { pino } from 'pino'
import type { Clock } from '#kernel/time.ts'
import type { Config } from '#platform/config.ts'
import { migrateJobs } from '#platform/jobs-engine.ts'
import { openLog } from '#platform/logs.ts'
import { migrate } from '#platform/migrations.ts'
import { type Core, openCore } from '../core.ts'
import { type Engines, openEngines } from '../engines.ts'

export interface SessionOptions {
  readonly config: Config
  readonly clock: Clock
  readonly say: (line: string) => void
}

/** A core for one verb: opened on migrated databases, nothing started, and let go of whatever happens. */
export async function withCore<T>({ config, clock, say }: SessionOptions, work: (core: Core, engines: Engines) => Promise<T>): Promise<T> {
  const engines = await openEngines(config, say)
  try {
    await migrate(engines.server, { engines: [migrateJobs] })
    const log = openLog(config.logLevel === 'info' ? 'error' : config.logLevel, pino.destination(2))
    const core = await openCore({ config, engines, clock, log })
    try {
      return await work(core, engines)
    } finally {
      await core.close()
    }
  } finally {
    await engines.close()
  }
}

/** Waits until every consumer has taken every event of live traffic and no payment is under way. */
export async function untilDrained(core: Core, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs
  for (;;) {
    await core.payments.executor.idle()
    const backlog = await core.relay.backlog('live')
    const stats = core.payments.executor.stats()
    if (backlog.every(({ waiting }) => waiting === 0) && stats.waiting + stats.out + stats.unrecorded === 0) return true
    if (performance.now() > deadline) return false
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
