import type { Clock } from '#kernel/time.ts'
import type { Config } from '#platform/config.ts'
import type { Databases, Scope } from '#platform/database.ts'
import type { Jobs } from '#platform/jobs.ts'
import { pruneStreams } from '#platform/streams-postgres.ts'
import type { Tracking } from '#tracking'
import { archiveFolder, firstKept, putAwayBefore } from './track-archive.ts'
import type { TrackWatch } from './track-watch.ts'

export const trackRounds: Readonly<Record<string, number>> = {
  'tracking.open_months': 3_600_000,
  'tracking.watch': 5_300,
  'tracking.fit_arrivals': 86_400_000,
  'tracking.read_carriers': 4_700,
  'tracking.prune_carriers': 3_600_000,
  'tracking.prune_streams': 3_600_000,
  'tracking.archive_months': 3_600_000,
}

export interface TrackJobsParts {
  readonly config: Pick<Config, 'trackStreamKeepDays' | 'trackKeepMonths' | 'dataDir'>
  readonly tracking: Tracking
  readonly databases: Databases
  readonly clock: Clock
  readonly watch: TrackWatch
  readonly log: { info(facts: object, message: string): void }
}

/** Months need a lock on all facts, for which they do not wait long: where a survey holds it, the next round does it. */
async function unlessBusy(log: TrackJobsParts['log'], scope: Scope, work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if ((error as { code?: unknown }).code !== '55P03') throw error
    log.info({ traffic: scope.traffic }, 'facts are being looked through: their months wait for the next round')
  }
}

/** What tracking does by itself, in the whole and alone. */
export function defineTrackJobs(jobs: Pick<Jobs, 'define'>, { config, tracking, databases, clock, watch, log }: TrackJobsParts): void {
  jobs.define('tracking.watch', ({ scope }) => watch.round(scope))
  jobs.define('tracking.open_months', ({ scope }) =>
    unlessBusy(log, scope, () => databases.of('tracking').write(scope, (write) => tracking.openMonths(write))),
  )
  jobs.define('tracking.fit_arrivals', async ({ scope }) => {
    await databases.of('tracking').write(scope, (write) => tracking.fitArrivals(write))
  })
  // Read by whoever took them; this finds what a process left that died in between.
  jobs.define('tracking.read_carriers', async ({ scope }) => {
    await tracking.desk?.readAllDue(scope)
  })
  jobs.define('tracking.prune_carriers', async ({ scope }) => {
    await tracking.desk?.prune(scope)
  })
  jobs.define('tracking.prune_streams', async ({ scope }) => {
    const before = new Date(clock.now().getTime() - config.trackStreamKeepDays * 86_400_000)
    await pruneStreams(databases.of('tracking'), scope, before)
  })
  jobs.define('tracking.archive_months', async ({ scope }) => {
    if (config.trackKeepMonths === undefined) return
    const before = firstKept(clock.now(), config.trackKeepMonths)
    await unlessBusy(log, scope, async () => {
      for await (const { month, facts } of putAwayBefore({ databases, tracking }, scope, { dir: archiveFolder(config), before }))
        log.info({ traffic: scope.traffic, month, facts }, 'a month of facts of shipments was put away')
    })
  })
}
