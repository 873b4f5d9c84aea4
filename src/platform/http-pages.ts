import type { FastifyInstance } from 'fastify'
import type { Metrics } from '#platform/metrics.ts'

/** What readiness asks: each part by name, and what is wrong with it, or null. */
export type Readiness = () => Promise<Readonly<Record<string, string | null>>>

export interface PagesOptions {
  readonly openApi: object
  readonly metrics: Metrics
  readonly readiness: Readiness
}

/** Pages beside the operations: health, readiness, metrics, the OpenAPI document and its reference page. */
export async function mountPages(app: FastifyInstance, { openApi, metrics, readiness }: PagesOptions): Promise<void> {
  const document = JSON.stringify(openApi)
  app.get('/health/live', async () => ({ status: 'live' }))
  app.get('/health/ready', async (_request, reply) => {
    const parts = await readiness()
    const ready = Object.values(parts).every((problem) => problem === null)
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', parts })
  })
  app.get('/metrics', async (_request, reply) => reply.header('content-type', metrics.contentType).send(await metrics.text()))
  app.get('/openapi.json', async (_request, reply) => reply.header('content-type', 'application/json').send(document))
  // Loaded here: its bundle takes a third of a second that no other process needs to spend.
  const { default: reference } = await import('@scalar/fastify-api-reference')
  await app.register(reference, {
    routePrefix: '/docs',
    configuration: {
      content: document,
      title: 'Throughline API',
      hideClientButton: true,
      showDeveloperTools: 'never',
      agent: { disabled: true },
      mcp: { disabled: true },
      telemetry: false,
    },
  })
}
