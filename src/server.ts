import { readFileSync } from 'node:fs'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '#kernel/time.ts'
import type { Config } from '#platform/config.ts'
import { mountPages } from '#platform/http-pages.ts'
import { openHttp } from '#platform/http-server.ts'
import { pendingMigrations } from '#platform/migrations.ts'
import { openApiOf } from '#platform/openapi.ts'
import { type ContextName, statement } from '#platform/database.ts'
import { bothTraffics, type Traffic } from '#platform/request-context.ts'
import { houseScope } from './check.ts'
import type { Core, Log } from './core.ts'
import type { Engines } from './engines.ts'
import { mountPublicPages } from './public-pages.ts'

/** The HTTP server of a core: operations, pages, and the public page of a parcel. */
export interface Server {
  readonly url: string
  /** Says "not ready", answers what is under way, then closes. */
  close(): Promise<void>
}

/** What HTTP needs of a composition: of the whole, or of tracking by itself. */
export type ServedCore = Pick<Core, 'databases' | 'runner' | 'queues' | 'authentication' | 'shadowKeys' | 'metrics' | 'tracking'>

export interface ServerOptions {
  readonly core: ServedCore
  /** Whose migrations must be there; all unless told. */
  readonly contexts?: readonly ContextName[]
  readonly config: Config
  readonly engines: Engines
  readonly clock: Clock
  readonly log: Log
  /** True until the rest of the process is up: who sends traffic here waits for it. */
  readonly isStarting?: () => boolean
}

export const version = (JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as { version: string }).version

const ping = statement('platform.ping', 'select 1')

export async function openServer({
  core,
  config,
  engines,
  clock,
  log,
  contexts,
  isStarting = () => false,
}: ServerOptions): Promise<Server> {
  let stopping = false
  const app = openHttp({
    runner: core.runner,
    queues: core.queues,
    authentication: core.authentication,
    shadowKeys: core.shadowKeys,
    clock,
    log,
  })
  // Asked on a connection of its own until all are there, and then no more: a rush has no time for it, and none goes away again.
  const migrated = new Set<Traffic>()
  const migrationsMissing = async (traffic: Traffic): Promise<string | null> => {
    if (migrated.has(traffic)) return null
    const files = await pendingMigrations(engines.server, traffic, contexts === undefined ? {} : { contexts }).catch(() => undefined)
    if (files?.length === 0) migrated.add(traffic)
    if (files === undefined) return 'can not be read'
    return files.length === 0 ? null : `${files.length} are not applied, first ${files[0]}`
  }
  await mountPages(app, {
    openApi: openApiOf(core.runner.operations, version, config.publicUrl ?? '/'),
    metrics: core.metrics,
    readiness: async () => {
      const found = await Promise.all(
        bothTraffics.map(async (traffic): Promise<[string, string | null][]> => {
          const database = core.databases
            .of('platform')
            .read(houseScope(traffic), (context) => context.query(ping))
            .then(() => null)
            .catch(() => 'does not answer')
          return [
            [`database ${traffic}`, await database],
            [`migrations ${traffic}`, await migrationsMissing(traffic)],
          ]
        }),
      )
      return { process: stopping ? 'is stopping' : isStarting() ? 'is starting' : null, ...Object.fromEntries(found.flat()) }
    },
  })
  const publicPages = mountPublicPages(app, { tracking: core.tracking, database: core.databases.of('tracking'), log })
  core.metrics.gauge('tracking_pages_open', 'Public pages of parcels that are open and kept up to date, in this process.', [], () =>
    Promise.resolve([{ traffic: 'live' as const, labels: {}, value: publicPages.count }]),
  )
  app.get('/', async (_request, reply) => reply.redirect('/docs'))
  const sockets = new Set<Socket>()
  app.server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await app.listen({ host: config.httpHost, port: config.httpPort })
  const { port } = app.server.address() as AddressInfo
  return {
    url: `http://${config.httpHost.includes(':') ? `[${config.httpHost}]` : config.httpHost}:${port}`,
    async close() {
      stopping = true
      publicPages.close()
      // A connection whose request was under way at the stop is kept open by its client once it has its answer, for as long as
      // its keep-alive lasts: it is closed as soon as it is idle.
      const sweeping = setInterval(() => {
        app.server.closeIdleConnections()
        // Browsers and balancers open connections ahead of need; to Node one that has never asked is not idle, and would be waited for.
        for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
      }, 50)
      await app.close().finally(() => clearInterval(sweeping))
    },
  }
}
