import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { systemClock } from '#kernel/time.ts'
import { readConfig } from '#platform/config.ts'
import { openLog } from '#platform/logs.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { outboxPositions } from '#test/outbox-positions.ts'
import { untilTrue } from '#test/until.ts'
import { cityOf, settleCity } from '../../src/cli/city.ts'
import { type Core, openCore } from '../../src/core.ts'
import { openServer, type Server } from '../../src/server.ts'

/** The whole house on a test database: core with relay, HTTP server on a free port, the made city settled, one key with all scopes. */
export interface Whole {
  readonly core: Core
  readonly server: Server
  readonly t: TestDatabases
  readonly key: string
  readonly city: ReturnType<typeof cityOf>
  readonly logged: { level: string; facts: object; message: string }[]
  /** The same as lines that the real log wrote. */
  readonly lines: Record<string, unknown>[]
  /** A call over HTTP as the key's client. */
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
    // biome-ignore lint/suspicious/noExplicitAny: answers of every operation pass here; each test reads the one that it asked for
  ): Promise<{ status: number; body: any; headers: Headers }>
  drained(traffic?: 'live' | 'shadow'): Promise<void>
  close(): Promise<void>
}

export async function openWhole(variables: Record<string, string> = {}, { shadowCity = false } = {}): Promise<Whole> {
  const t = await openTestDatabases()
  const dataDir = await mkdtemp(join(tmpdir(), 'throughline-whole-'))
  const config = readConfig({ HTTP_PORT: '0', DATA_DIR: dataDir, LIMIT_PER_SECOND: '100000', LIMIT_BURST: '100000', ...variables })
  const logged: Whole['logged'] = []
  const lines: Whole['lines'] = []
  const admins: Partial<Record<'live' | 'shadow', pg.Client>> = {}
  const written = openLog('info', { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) })
  const note = (level: 'info' | 'warn' | 'error') => (facts: object, message: string) => {
    logged.push({ level, facts, message })
    written[level](facts, message)
  }
  const log = { info: note('info'), warn: note('warn'), error: note('error') }
  const engines = {
    server: t.server,
    secrets: {
      roleSecret: 'a secret that only tests use, 32+ long',
      shadowSigningKeys: [{ id: 'k1', secret: 'a shadow key that only tests use' }],
    },
    about: 'test databases',
    close: async () => undefined,
  }
  const core = await openCore({ config, engines, clock: systemClock, log })
  const city = cityOf(new Date())
  await settleCity(core, city)
  if (shadowCity) await settleCity(core, city, 'shadow')
  core.relay.start()
  const server = await openServer({ core, config, engines, clock: systemClock, log })
  const key = await core.authentication.issue({
    id: 'tests',
    client: 'tests',
    scopes: [...new Set(core.runner.operations.flatMap(({ scopes }) => scopes))],
  })
  return {
    core,
    server,
    t,
    key,
    city,
    logged,
    lines,
    async call(method, path, body, headers = {}) {
      const raw = typeof body === 'string' || body instanceof Uint8Array
      const response = await fetch(server.url + path, {
        method,
        headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
        redirect: 'manual',
      })
      const text = await response.text()
      return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text, headers: response.headers }
    },
    async drained(traffic = 'live') {
      admins[traffic] ??= await t.admin(traffic)
      const admin = admins[traffic]
      await untilTrue(
        async () => {
          const before = await outboxPositions(admin)
          await core.payments.executor.idle()
          const isQuiet = (await core.relay.backlog(traffic)).every(({ waiting }) => waiting === 0)
          // A payment that was taken on meanwhile ends here, and announces it.
          await core.payments.executor.idle()
          return isQuiet && (await outboxPositions(admin)) === before
        },
        20_000,
        'a drained outbox',
      )
    },
    async close() {
      await server.close()
      await core.close()
      await t.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
