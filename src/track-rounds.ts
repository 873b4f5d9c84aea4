import type { Databases } from '#platform/database.ts'
import type { Jobs } from '#platform/jobs.ts'
import type { Tracking } from '#tracking'
import type { TrackWatch } from './track-watch.ts'

export const trackRounds: Readonly<Record<string, number>> = { 'tracking.open_months': 3_600_000, 'tracking.watch': 30_000 }

/** What tracking does by itself, in the whole and alone. */
export function defineTrackJobs(
  jobs: Jobs,
  { tracking, databases, watch }: { readonly tracking: Tracking; readonly databases: Databases; readonly watch: TrackWatch },
): void {
  jobs.define('tracking.watch', ({ scope }) => watch.round(scope))
  jobs.define('tracking.open_months', async ({ scope }) => {
    await databases.of('tracking').write(scope, (write) => tracking.openMonths(write))
  })
}
