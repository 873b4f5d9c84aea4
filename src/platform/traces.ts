import { AsyncLocalStorage } from 'node:async_hooks'
import type { Context, Span, SpanContext } from '@opentelemetry/api'
import { currentContext, newTraceId } from '#platform/request-context.ts'

/**
 * Traces for any OpenTelemetry collector, by OTLP over HTTP/protobuf. Without an endpoint nothing of OpenTelemetry is even
 * loaded. The trace id is the one of our request context, so that logs, change logs and spans of one order meet.
 */
export interface Traces {
  /** Runs `work` in a span below the one around it; an error that it throws marks the span. */
  span<T>(name: string, attributes: Readonly<Record<string, string | number | boolean>>, work: () => Promise<T>): Promise<T>
  /** Sends what is left, for two seconds at most. */
  close(): Promise<void>
}

export interface TracesOptions {
  /** Base address of the collector; `/v1/traces` is appended, as the standard says for OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly endpoint: string | undefined
  readonly service?: string
  /** Share of traces that is kept, decided by the trace id, so that every process keeps the same ones. 1 unless told. */
  readonly ratio?: number
  readonly log?: { warn(facts: object, message: string): void }
}

const sendWithinMs = 2000

export async function openTraces({ endpoint, service = 'throughline', ratio = 1, log }: TracesOptions): Promise<Traces> {
  if (endpoint === undefined) return { span: (_name, _attributes, work) => work(), close: async () => {} }
  const [api, sdk, exporter, resources] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-node'),
    import('@opentelemetry/exporter-trace-otlp-proto'),
    import('@opentelemetry/resources'),
  ])
  const url = `${endpoint.replace(/\/+$/, '')}/v1/traces`
  const provider = new sdk.NodeTracerProvider({
    resource: resources.resourceFromAttributes({ 'service.name': service }),
    sampler: new sdk.TraceIdRatioBasedSampler(ratio),
    // Bounded: when the collector is away, spans beyond the queue are dropped, not kept in memory.
    spanProcessors: [new sdk.BatchSpanProcessor(new exporter.OTLPTraceExporter({ url, timeoutMillis: 5000 }), { maxQueueSize: 4096 })],
  })
  const tracer = provider.getTracer(service)
  // Our own storage instead of OpenTelemetry's global one: nothing global is registered, so two in one process do not clash.
  const parents = new AsyncLocalStorage<{ traceId: string; context: Context }>()

  const parentOf = (traceId: string): Context => {
    const around = parents.getStore()
    if (around !== undefined && around.traceId === traceId) return around.context
    const caller: SpanContext = { traceId, spanId: newTraceId().slice(0, 16), traceFlags: api.TraceFlags.SAMPLED, isRemote: true }
    return api.trace.setSpanContext(api.ROOT_CONTEXT, caller)
  }

  const fail = (span: Span, error: unknown): void => {
    span.recordException(error instanceof Error ? error : String(error))
    span.setStatus({ code: api.SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) })
  }

  return {
    async span(name, attributes, work) {
      const around = currentContext()
      const traceId = around?.traceId ?? parents.getStore()?.traceId ?? newTraceId()
      const parent = parentOf(traceId)
      const whose = around === undefined ? {} : { 'throughline.traffic': around.traffic, 'throughline.actor': around.actor.id }
      const rehearsal = around?.rehearsalId == null ? {} : { 'throughline.rehearsal_id': around.rehearsalId }
      const span = tracer.startSpan(name, { attributes: { ...whose, ...rehearsal, ...attributes } }, parent)
      try {
        return await parents.run({ traceId, context: api.trace.setSpan(parent, span) }, work)
      } catch (error) {
        fail(span, error)
        throw error
      } finally {
        span.end()
      }
    },
    async close() {
      const late = Promise.withResolvers<void>()
      const timer = setTimeout(late.resolve, sendWithinMs)
      // A collector that is away must not keep the process from stopping; the exporter alone would try again for over four seconds.
      const sent = provider.shutdown().catch((error: unknown) => log?.warn({ err: error }, 'the last spans did not reach the collector'))
      await Promise.race([sent, late.promise])
      clearTimeout(timer)
    },
  }
}
