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

test('the process tells its own memory and event loop', async () => {
  expect(await openMetrics().text()).toContain('nodejs_eventloop_lag')
})
