import type { Databases } from '#platform/database.ts'
import type { Jobs } from '#platform/jobs.ts'
import type { Tracking } from '#tracking'
import type { TrackWatch } from './track-watch.ts'

export const trackRounds: Readonly<Record<string, number>> = {
  'tracking.open_months': 3_600_000,
  'tracking.watch': 30_000,
  'tracking.fit_arrivals': 86_400_000,
  'tracking.read_carriers': 5_000,
  'tracking.prune_carriers': 3_600_000,
}

/** What tracking does by itself, in the whole and alone. */
export function defineTrackJobs(
  jobs: Jobs,
  { tracking, databases, watch }: { readonly tracking: Tracking; readonly databases: Databases; readonly watch: TrackWatch },
): void {
  jobs.define('tracking.watch', ({ scope }) => watch.round(scope))
  jobs.define('tracking.open_months', async ({ scope }) => {
    await databases.of('tracking').write(scope, (write) => tracking.openMonths(write))
  })
  jobs.define('tracking.fit_arrivals', async ({ scope }) => {
    await databases.of('tracking').write(scope, (write) => tracking.fitArrivals(write))
  })
  // Read by whoever took them; this finds what a process left that died in between.
  jobs.define('tracking.read_carriers', async ({ scope }) => {
    await tracking.desk?.readDue(scope)
  })
  jobs.define('tracking.prune_carriers', async ({ scope }) => {
    await tracking.desk?.prune(scope)
  })
}
