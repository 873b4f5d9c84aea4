import { expect, test } from 'vitest'
import { openMetrics } from '#platform/metrics.ts'
import { platformMetrics } from '#platform/platform-metrics.ts'
import { systemContext } from '#platform/request-context.ts'

const ours = (text: string) => text.split('\n').filter((line) => line.startsWith('throughline_'))

test('every sample of ours says whose traffic it is', async () => {
  const metrics = openMetrics()
  const platform = platformMetrics(metrics)
  for (const traffic of ['live', 'shadow'] as const) {
    const context = systemContext('test', traffic, traffic === 'shadow' ? 'r1' : null)
    platform.operation({ id: 'orders.place' }, context, 'ok', 0.004)
    platform.batch({ id: 'orders.place' }, traffic, 32)
    platform.statement('orders', traffic, 'orders.place', 0.002)
    platform.relayed('payments.request', traffic, 32, 0.01)
    platform.job('sweep', traffic, 'done', 0.1)
  }
  const samples = ours(await metrics.text())
  expect(samples.length).toBeGreaterThan(100)
  expect(samples.filter((line) => !/\btraffic="(live|shadow)"/.test(line))).toEqual([])
  expect(samples).toContain('throughline_relayed_events_total{traffic="shadow",consumer="payments.request"} 32')
})

test('a level is read at each scrape, and one that is gone is gone', async () => {
  const metrics = openMetrics()
  const levels = new Map([['a', 1]])
  metrics.gauge('waiting', 'Events that wait.', ['consumer'], () =>
    [...levels].map(([consumer, value]) => ({ traffic: 'live' as const, labels: { consumer }, value })),
  )
  expect(ours(await metrics.text())).toEqual(['throughline_waiting{traffic="live",consumer="a"} 1'])
  levels.delete('a')
  levels.set('b', 2)
  expect(ours(await metrics.text())).toEqual(['throughline_waiting{traffic="live",consumer="b"} 2'])
})

test('a histogram counts values by upper bound, and says so as Prometheus reads it', async () => {
  const metrics = openMetrics()
  const took = metrics.histogram('took_seconds', 'Time of it.', { labels: ['what'], buckets: [0.1, 1] })
  for (const value of [0.05, 0.1, 0.5, 7]) took('live', { what: 'a "b"\n\\' }, value)
  took('shadow', { what: 'c' }, 1)
  const text = await metrics.text()
  const labels = 'traffic="live",what="a \\"b\\"\\n\\\\"'
  expect(text).toContain(`# HELP throughline_took_seconds Time of it.
# TYPE throughline_took_seconds histogram
throughline_took_seconds_bucket{le="0.1",${labels}} 2
throughline_took_seconds_bucket{le="1",${labels}} 3
throughline_took_seconds_bucket{le="+Inf",${labels}} 4
throughline_took_seconds_sum{${labels}} 7.65
throughline_took_seconds_count{${labels}} 4
throughline_took_seconds_bucket{le="0.1",traffic="shadow",what="c"} 0
throughline_took_seconds_bucket{le="1",traffic="shadow",what="c"} 1
throughline_took_seconds_bucket{le="+Inf",traffic="shadow",what="c"} 1
throughline_took_seconds_sum{traffic="shadow",what="c"} 1
throughline_took_seconds_count{traffic="shadow",what="c"} 1
`)
  expect(text.endsWith('\n')).toBe(true)
})

test('the process tells its own memory and event loop', async () => {
  expect(await openMetrics().text()).toContain('nodejs_eventloop_lag')
})
