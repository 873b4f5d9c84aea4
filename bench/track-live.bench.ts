import { Agent, get, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '#kernel/time.ts'
import { systemContext } from '#platform/request-context.ts'
import { numberFlag, printReport } from './support/report.ts'
import { type BenchHouse, openBenchHouse, startServer } from './support/server-process.ts'

/**
 * Public pages that are kept up to date: `--pages` (1,000) of them open at once, each on a parcel of its own, and facts that come over HTTP one by one, `--rate` (50) a
 * second, each about one of the parcels. Time from before the call that brings a fact until the page has it. Everything is on this machine: server, database, all readers.
 */
const seconds = numberFlag('seconds', 10)
const pages = numberFlag('pages', 1_000)
const perSecond = numberFlag('rate', 50)

const house = await openBenchHouse()
try {
  const paths = await settle(house)
  const server = await startServer(house)
  const started = new Map<string, number>()
  const took: number[] = []
  const times = new Map<string, number>()
  let errors = 0
  const readers = await Promise.all(paths.map((path) => openPage(server.port, path)))
  const idleFrom = { cpu: server.cpuSeconds(), at: performance.now() }
  await delay(3_000)
  const idleCpu = ((server.cpuSeconds() - idleFrom.cpu) / ((performance.now() - idleFrom.at) / 1000)) * 100

  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const from = { cpu: server.cpuSeconds(), at: performance.now() }
  const count = Math.round(seconds * perSecond)
  for (let nth = 0; nth < count; nth += 1) {
    const dueAt = from.at + (nth * 1000) / perSecond
    if (dueAt > performance.now()) await delay(dueAt - performance.now())
    const mark = `Mark ${nth}.`
    started.set(mark, performance.now())
    post({ port: server.port, agent, nth, mark })
  }
  const deadline = performance.now() + 5_000
  while (took.length < count && performance.now() < deadline) await delay(20)
  const busyCpu = ((server.cpuSeconds() - from.cpu) / ((performance.now() - from.at) / 1000)) * 100
  const memoryMb = server.peakMemoryMb()
  for (const reader of readers) reader.destroy()
  agent.destroy()
  await server.stop()
  const sorted = took.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  const doubled = [...times.values()].filter((seen) => seen > 1).length
  printReport({
    bench: 'track-live',
    rows: [
      { what: 'from before ingest to the page, median', value: at(0.5), unit: 'ms', beside: `${pages} pages open, ${perSecond} facts/s` },
      { what: '  99th percentile', value: at(0.99), unit: 'ms', beside: 'bar: within 1,000 ms' },
      { what: '  longest', value: at(1), unit: 'ms' },
      { what: 'processor time of the server, pages idle', value: idleCpu, unit: '% of a core' },
      { what: 'processor time of the server, with these facts', value: busyCpu, unit: '% of a core' },
      { what: 'most memory of the server', value: memoryMb, unit: 'MB' },
    ],
    figures: { medianMs: at(0.5), p99Ms: at(0.99), longestMs: at(1), idleCpu, busyCpu, memoryMb },
    counts: { lost: count - times.size, doubled, errors },
  })

  function openPage(port: number, path: string): Promise<ReturnType<typeof get>> {
    return new Promise((resolve, reject) => {
      const asked = get({ host: '127.0.0.1', port, path: `${path}/live`, agent: false }, (answer) => {
        if (answer.statusCode !== 200) errors += 1
        let rest = ''
        answer.on('error', () => undefined)
        answer.on('data', (chunk: Buffer) => {
          rest += chunk.toString('utf8')
          // The newest fact is the first that a page has.
          for (let end = rest.indexOf('\n\n'); end !== -1; end = rest.indexOf('\n\n')) {
            const mark = /Mark \d+\./.exec(rest.slice(0, end))?.[0]
            rest = rest.slice(end + 2)
            if (mark === undefined) continue
            times.set(mark, (times.get(mark) ?? 0) + 1)
            if (times.get(mark) === 1) took.push(performance.now() - (started.get(mark) ?? 0))
          }
        })
        resolve(asked)
      })
      asked.on('error', reject)
    })
  }

  function post({ port, agent: by, nth, mark }: { port: number; agent: Agent; nth: number; mark: string }): void {
    const body = JSON.stringify({
      carrier: 'bench',
      number: `P${(nth * 7919) % pages}`,
      source: 'bench',
      code: 'in_transit',
      occurredAt: new Date(systemClock.now().getTime() - 3_600_000 + nth * 1000).toISOString(),
      place: mark,
    })
    const headers = { authorization: `Bearer ${house.key}`, 'content-type': 'application/json' }
    const asked = request({ host: '127.0.0.1', port, method: 'POST', path: '/v1/track/events', headers, agent: by }, (answer) => {
      if (answer.statusCode !== 200) errors += 1
      answer.resume()
    })
    asked.on('error', () => (errors += 1))
    asked.end(body)
  }
} finally {
  await house.close()
}

async function settle(at: BenchHouse): Promise<string[]> {
  const core = await at.core()
  const context = systemContext('bench')
  const calls = Array.from({ length: pages }, (_, n) => ({ context, input: { numbers: [{ carrier: 'bench', number: `P${n}` }] } }))
  const outcomes = await core.runner.runMany('tracking.register', calls)
  await core.close()
  return outcomes.map((outcome) => (outcome.ok ? (outcome.value as { publicPath: string }).publicPath : ''))
}
