/** What a server's /metrics says, read twice for the time in between. */
export interface Reading {
  /** Calls so far by statement and upper bound in seconds, as the histogram counts them. */
  readonly statements: ReadonlyMap<string, ReadonlyMap<number, number>>
  /** Values asked of the cache so far, and how many of them it had. */
  readonly cache: { readonly asked: number; readonly had: number }
}

export async function readMetrics(url: string): Promise<Reading> {
  const statements = new Map<string, Map<number, number>>()
  const cache = { asked: 0, had: 0 }
  for (const line of (await (await fetch(`${url}/metrics`)).text()).split('\n')) {
    const value = Number(line.slice(line.lastIndexOf(' ') + 1))
    if (line.startsWith('throughline_cache_reads_total{')) {
      cache.asked += value
      if (line.includes('result="hit"')) cache.had += value
    }
    if (!line.startsWith('throughline_statement_seconds_bucket{')) continue
    const le = /le="([^"]+)"/.exec(line)?.[1]
    const name = /statement="([^"]+)"/.exec(line)?.[1] ?? ''
    const of = statements.get(name) ?? new Map<number, number>()
    const bound = le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le)
    of.set(bound, (of.get(bound) ?? 0) + value)
    statements.set(name, of)
  }
  return { statements, cache }
}

/** How many events the slowest consumer has still to take, alone: for looks during a measurement: whoever reads thousands of lines has no time for the answers it measures. */
export async function readDeepestQueue(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Math.max(0, ...Array.from(text.matchAll(/^throughline_outbox_waiting\{.*\} (\d+)$/gm), ([, waiting]) => Number(waiting)))
}

/** The 99th percentile of each statement between two readings, ms, interpolated within its bucket; those called too seldom are left out. */
export function statementsBetween(before: Reading, after: Reading, callsLeast = 200): { name: string; calls: number; p99Ms: number }[] {
  return [...after.statements]
    .map(([name, buckets]) => {
      const was = before.statements.get(name)
      const bounds = [...buckets]
        .map(([bound, count]) => ({ bound, count: count - (was?.get(bound) ?? 0) }))
        .toSorted((a, b) => a.bound - b.bound)
      const calls = bounds.at(-1)?.count ?? 0
      let below = { bound: 0, count: 0 }
      for (const each of bounds) {
        if (each.count >= calls * 0.99) {
          const share = each.count === below.count ? 1 : (calls * 0.99 - below.count) / (each.count - below.count)
          const top = Number.isFinite(each.bound) ? each.bound : below.bound
          return { name, calls, p99Ms: (below.bound + (top - below.bound) * share) * 1000 }
        }
        below = each
      }
      return { name, calls, p99Ms: 0 }
    })
    .filter(({ calls }) => calls >= callsLeast)
    .toSorted((a, b) => b.p99Ms - a.p99Ms)
}
