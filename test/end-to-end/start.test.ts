import { spawn, spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { orderOf } from '#partners/made-city/index.ts'
import { openServerFolder, type ServerFolder, type Spawned } from '#test/server-folder.ts'
import { untilTrue } from '#test/until.ts'
import { cityOf, citySeed } from '../../src/cli/city.ts'

interface Placed {
  readonly number: string
  readonly state: string
}

describe('npm start', { timeout: 270_000 }, () => {
  let folder: ServerFolder
  let server: Spawned
  let authorization = ''
  let first: Placed
  const city = cityOf(new Date())

  beforeAll(async () => {
    folder = await openServerFolder()
  })
  afterAll(() => folder.close())

  const start = async (): Promise<Spawned> => {
    const started = folder.run(['start', '--demo'])
    await started.said(/Place an order and watch it arrive/, 60_000)
    return started
  }
  const stop = async (): Promise<number | null> => {
    server.signal('SIGTERM')
    return (await server.ended).code
  }
  const call = async (path: string, body?: object, key: string = crypto.randomUUID()) => {
    const response = await fetch(folder.url + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization, 'idempotency-key': key, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    // biome-ignore lint/suspicious/noExplicitAny: answers of several operations pass here
    return { status: response.status, body: (await response.json()) as any }
  }
  const order = (n: number) => orderOf(n, citySeed, (address) => city.address(address))

  test('on an empty folder it becomes ready, and the command that it prints places an order that is delivered within ten seconds', async () => {
    server = folder.run(['start', '--demo'])
    await untilTrue(() => folder.isReady(), 60_000, 'a ready server')
    // Ready means all of it: rounds are planned and the city is settled, not only that somebody listens.
    await server.said(/^ready in /m, 100)
    const [command] = await server.said(/^curl .*$/m)
    authorization = /Authorization: (Bearer [^']+)/.exec(command)?.[1] ?? ''
    first = JSON.parse(await runAsPasted(command)) as Placed
    expect(first).toMatchObject({ state: 'pending_payment', number: expect.stringMatching(/^TL-/) })
    await untilTrue(async () => (await call(`/v1/orders/${first.number}`)).body.state === 'delivered', 10_000, 'a delivered order')
    // The server tells each step, and the link that it prints opens.
    const [, link = ''] = await server.said(new RegExp(`${first.number}  follow it at (\\S+)`))
    // Orders and tracking each follow waybills by themselves, so the page may be a moment behind.
    await untilTrue(async () => (await (await fetch(link)).text()).includes('<h1>Delivered</h1>'), 5_000, 'a page that says delivered')
    await server.said(new RegExp(`${first.number}  waybill \\d+ delivered`))
  })

  test('asked to stop, it answers what is under way, ends with 0 and takes its PostgreSQL along', async () => {
    let isAsked = false
    let answeredAfter = 0
    const batches = Array.from({ length: 8 }, (_, batch) => {
      const commands = Array.from({ length: 150 }, (__, index) => ({ idempotencyKey: `stop-${batch}-${index}`, input: order(index) }))
      return call('/v1/orders/batch', { commands }).then((answer) => {
        if (isAsked) answeredAfter += 1
        return answer
      })
    })
    // Some that were sent after them have their answers, one after the other: they are all under way, on a busy machine, too.
    for (let asked = 0; asked < 8; asked += 1) await call(`/v1/orders/${first.number}`)
    isAsked = true
    expect(await stop()).toBe(0)
    const numbers = new Set<string>()
    for (const { status, body } of await Promise.all(batches)) {
      expect(status).toBe(200)
      for (const outcome of body.outcomes) {
        expect(outcome.status).toBe(201)
        numbers.add(outcome.value.number)
      }
    }
    expect(numbers.size).toBe(1_200)
    expect(answeredAfter).toBeGreaterThan(0)
    expect(folder.postmaster()).toBeUndefined()
    await expect(fetch(folder.url)).rejects.toThrow('fetch failed')
  })

  test('started again on the same folder, it finds its orders and finishes what the stop left', async () => {
    server = await start()
    expect(server.output()).toContain('embedded PostgreSQL started')
    expect((await call(`/v1/orders/${first.number}`)).body).toMatchObject({ number: first.number, state: 'delivered' })
    // Under its key an order of before the stop is answered by its first answer.
    const again = await call('/v1/orders', order(0), 'stop-0-0')
    expect(again.status).toBe(201)
    await untilTrue(async () => (await call(`/v1/orders/${again.body.number}`)).body.state === 'delivered', 30_000, 'a delivered order')
  })

  test('a second start beside it says what is in its way and leaves the first one alone', async () => {
    const second = folder.run(['start', '--demo'])
    const { code } = await second.ended
    expect(code).not.toBe(0)
    expect(second.output()).toContain(`${folder.port}`)
    expect(second.output()).toMatch(/is taken|in use/)
    expect(second.output()).toContain('HTTP_PORT')
    // A sentence, not a stack.
    expect(second.output()).not.toMatch(/^\s+at /m)
    expect((await call(`/v1/orders/${first.number}`)).status).toBe(200)
    expect((await call('/v1/orders', order(77))).status).toBe(201)
  })

  test('killed with -9, its PostgreSQL is found by the next start, and stopped by that one', async () => {
    const postmaster = folder.postmaster()
    server.signal('SIGKILL')
    await server.ended
    expect(folder.postmaster()).toBe(postmaster)
    server = await start()
    expect(server.output()).toContain('embedded PostgreSQL attached')
    expect((await call(`/v1/orders/${first.number}`)).body.state).toBe('delivered')
    expect(await stop()).toBe(0)
    expect(folder.postmaster()).toBeUndefined()
  })
})

/** Runs a line as a newcomer does: pasted into a shell. Where there is no curl, the same request without it. */
function runAsPasted(command: string): Promise<string> {
  if (spawnSync('bash', ['-c', 'command -v curl']).status !== 0) {
    if (process.env['CI'] === 'true') throw new Error('curl is missing: .ci/run installs it')
    const [, url = ''] = /POST (\S+)/.exec(command) ?? []
    const [, authorization = ''] = /Authorization: ([^']+)/.exec(command) ?? []
    const [, body = ''] = /-d '(.+)'$/.exec(command) ?? []
    const headers = { authorization, 'idempotency-key': crypto.randomUUID(), 'content-type': 'application/json' }
    return fetch(url, { method: 'POST', headers, body }).then((response) => response.text())
  }
  return new Promise((resolve, reject) => {
    const shell = spawn('bash', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    shell.stdout.on('data', (chunk: Buffer) => void (output += chunk.toString()))
    shell.once('error', reject)
    shell.once('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`the command ended with ${code}: ${output}`))))
  })
}
