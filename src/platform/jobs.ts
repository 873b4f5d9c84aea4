import { DelayedError, type IQueueBackend, type Job, Queue, UnrecoverableError, Worker } from 'bullmq'
import { invariant } from '#kernel/outcome.ts'
import type { Scope } from '#platform/database.ts'
import { type JobsEngine, jobsBackend } from '#platform/jobs-engine.ts'
import { bothTraffics, currentContext, newTraceId, runInContext, type Traffic } from '#platform/request-context.ts'

/**
 * Schedules, delayed work and retries. A job is a whole batch or a round, never one order: the engine moves about a thousand
 * jobs a second on PostgreSQL, while the hot path goes by the outbox.
 *
 * Live and shadow have queues and connections of their own. Every job says in its envelope what it belongs to; a worker
 * that finds another traffic's job on its queue refuses it for good.
 */
export interface JobEnvelope {
  readonly schemaVersion: number
  readonly traffic: Traffic
  readonly rehearsalId: string | null
  /** Null for scheduled rounds: each gets a trace of its own when it runs. */
  readonly traceId: string | null
  readonly data: unknown
}

export interface RunningJob<Data> {
  readonly id: string
  readonly name: string
  readonly scope: Scope
  /** 1 at the first try. */
  readonly attempt: number
  readonly data: Data
}

export interface JobDefinition {
  /** Tries in all, 5 unless told. */
  readonly attempts?: number
  /** Wait before the second try; it doubles from there, with half of it random. 1000 unless told. */
  readonly backoffMs?: number
  /** Shape of the data. A worker leaves jobs of a newer shape to newer workers. */
  readonly schemaVersion?: number
}

export interface Jobs {
  /** Must be called before `start`. Handlers may run twice for one job (a crash between effect and end): make them repeatable. */
  define<Data>(name: string, handler: (job: RunningJob<Data>) => Promise<void>, definition?: JobDefinition): void
  /** Adds to the queue of the scope, or of the context under way. A second job with the same `id` is not added. */
  add(name: string, data: unknown, options?: { delayMs?: number; id?: string; scope?: Scope }): Promise<string>
  /** One round at each interval, over all processes, for live and for shadow. */
  every(name: string, everyMs: number, data?: unknown): Promise<void>
  start(): Promise<void>
  counts(): Promise<{ traffic: Traffic; waiting: number; active: number; delayed: number; failed: number }[]>
  /** Takes no new job, waits for those that run, at most `withinMs`; what is left then is run again by another worker. */
  close(withinMs?: number): Promise<void>
}

export interface JobsOptions {
  readonly engine: JobsEngine
  /** Jobs at once for each traffic, 4 unless told. */
  readonly concurrency?: number
  /** How long a job of a newer shape or an unknown name is put aside before it is looked at again; 30 s unless told. */
  readonly parkMs?: number
  readonly log?: { warn(facts: object, message: string): void; error(facts: object, message: string): void }
  readonly observe?: (name: string, traffic: Traffic, result: 'done' | 'failed' | 'parked' | 'refused', seconds: number) => void
}

type AnyQueue = Queue<JobEnvelope, void, string, JobEnvelope, void, string, IQueueBackend>
type AnyWorker = Worker<JobEnvelope, void, string, IQueueBackend>

const queueName = 'jobs'
/** Rounds in the shadow database have no rehearsal that asked for them; shadow work always names one. */
export const housekeepingRehearsal = 'housekeeping'

interface Defined extends Required<JobDefinition> {
  readonly handler: (job: RunningJob<unknown>) => Promise<void>
}

export function openJobs(options: JobsOptions): Jobs {
  const defined = new Map<string, Defined>()
  const queues = new Map<Traffic, AnyQueue>()
  const workers = new Map<Traffic, AnyWorker>()
  const parkMs = options.parkMs ?? 30_000
  const log = options.log

  const definitionOf = (name: string): Defined => {
    const definition = defined.get(name)
    invariant(definition, `job ${name} is not defined`)
    return definition
  }

  const queueOf = (traffic: Traffic): AnyQueue => {
    let queue = queues.get(traffic)
    if (queue === undefined) {
      const { connection, prefix, factory } = jobsBackend(options.engine, traffic)
      queue = new Queue(queueName, { connection, ...prefix }, factory)
      queue.on('error', (error) => log?.warn({ err: error, traffic }, 'the queue of jobs lost its connection'))
      queues.set(traffic, queue)
    }
    return queue
  }

  const jobOptions = (name: string) => {
    const { attempts, backoffMs } = definitionOf(name)
    return {
      attempts,
      backoff: { type: 'exponential', delay: backoffMs, jitter: 0.5 },
      removeOnComplete: { age: 3600, count: 1000 },
      removeOnFail: { age: 7 * 24 * 3600, count: 10_000 },
    }
  }

  const run = async (traffic: Traffic, job: Job<JobEnvelope, void>, token: string | undefined): Promise<void> => {
    const started = performance.now()
    const seen = (result: 'done' | 'failed' | 'parked' | 'refused') =>
      options.observe?.(job.name, traffic, result, (performance.now() - started) / 1000)
    const problem = refusalOf(job.data, traffic)
    if (problem !== undefined) {
      seen('refused')
      throw new UnrecoverableError(problem)
    }
    const envelope = job.data
    const definition = defined.get(job.name)
    if (definition === undefined || envelope.schemaVersion > definition.schemaVersion) {
      const reason = definition === undefined ? 'its name is unknown here' : `its data have shape ${envelope.schemaVersion}`
      log?.warn({ traffic, job: job.name, reason }, 'a job was put aside for a newer worker')
      seen('parked')
      await job.moveToDelayed(Date.now() + parkMs, token)
      throw new DelayedError()
    }
    const { rehearsalId } = envelope
    const context = {
      traffic,
      rehearsalId,
      actor: { id: `system:job ${job.name}`, scopes: ['*'] },
      traceId: envelope.traceId ?? newTraceId(),
    }
    try {
      await runInContext(context, () =>
        definition.handler({
          id: job.id ?? '',
          name: job.name,
          scope: { traffic, rehearsalId },
          attempt: job.attemptsMade + 1,
          data: envelope.data,
        }),
      )
      seen('done')
    } catch (error) {
      seen('failed')
      throw error
    }
  }

  return {
    define(name, handler, { attempts = 5, backoffMs = 1000, schemaVersion = 1 } = {}) {
      invariant(workers.size === 0, `job ${name} is defined after start`)
      invariant(!defined.has(name), `job ${name} is defined twice`)
      defined.set(name, { handler: handler as Defined['handler'], attempts, backoffMs, schemaVersion })
    },
    async add(name, data, { delayMs = 0, id, scope } = {}) {
      const around = currentContext()
      const to = scope ?? around
      invariant(to, `job ${name} is added outside of any context: give it a scope`)
      invariant(around === undefined || around.traffic === to.traffic, `work of ${around?.traffic} traffic adds a ${to.traffic} job`)
      const envelope: JobEnvelope = {
        schemaVersion: definitionOf(name).schemaVersion,
        traffic: to.traffic,
        rehearsalId: to.rehearsalId,
        traceId: around?.traceId ?? newTraceId(),
        data,
      }
      // Always an id of ours: for its own, BullMQ creates a sequence at a queue's first job, and our role may create nothing.
      const jobId = `${name}-${id ?? crypto.randomUUID()}`
      const job = await queueOf(to.traffic).add(name, envelope, { ...jobOptions(name), delay: delayMs, jobId })
      return job.id ?? ''
    },
    async every(name, everyMs, data = null) {
      await Promise.all(
        bothTraffics.map((traffic) => {
          const envelope: JobEnvelope = {
            schemaVersion: definitionOf(name).schemaVersion,
            traffic,
            rehearsalId: traffic === 'shadow' ? housekeepingRehearsal : null,
            traceId: null,
            data,
          }
          // A round that is done is of no more interest, and with the last thousand kept each end of one took PostgreSQL 15 ms to tidy up.
          const opts = { ...jobOptions(name), removeOnComplete: true }
          return queueOf(traffic).upsertJobScheduler(name, { every: everyMs }, { name, data: envelope, opts })
        }),
      )
    },
    async start() {
      for (const traffic of bothTraffics) {
        const { connection, prefix, factory } = jobsBackend(options.engine, traffic)
        const worker = new Worker<JobEnvelope, void, string, IQueueBackend>(
          queueName,
          (job, token) => run(traffic, job, token),
          { connection, ...prefix, concurrency: options.concurrency ?? 4 },
          factory,
        )
        worker.on('error', (error) => log?.warn({ err: error, traffic }, 'the worker of jobs lost its connection'))
        worker.on('failed', (job, error) => log?.error({ err: error, traffic, job: job?.name }, 'a job failed'))
        workers.set(traffic, worker)
        await worker.waitUntilReady()
      }
    },
    counts: () =>
      Promise.all(
        bothTraffics.map(async (traffic) => {
          const found = await queueOf(traffic).getJobCounts('waiting', 'active', 'delayed', 'failed')
          const of = (state: string) => found[state] ?? 0
          return { traffic, waiting: of('waiting'), active: of('active'), delayed: of('delayed'), failed: of('failed') }
        }),
      ),
    async close(withinMs = 15_000) {
      await Promise.all([...workers.values()].map((worker) => closeWorker(worker, withinMs)))
      await Promise.all([...queues.values()].map((queue) => queue.close()))
      workers.clear()
      queues.clear()
    },
  }
}

/** Why a job may not run here at all; undefined when it may. */
function refusalOf(envelope: Partial<JobEnvelope> | null, traffic: Traffic): string | undefined {
  if (typeof envelope?.schemaVersion !== 'number' || envelope.traffic === undefined)
    return 'the job has no envelope: it was not added by us'
  if (envelope.traffic !== traffic) return `a ${envelope.traffic} job lay on the ${traffic} queue`
  if ((traffic === 'shadow') !== (typeof envelope.rehearsalId === 'string')) return 'shadow jobs carry a rehearsal id, live jobs none'
  return undefined
}

async function closeWorker(worker: AnyWorker, withinMs: number): Promise<void> {
  const deadline = Promise.withResolvers<'late'>()
  const timer = setTimeout(() => deadline.resolve('late'), withinMs)
  const closing = worker.close()
  if ((await Promise.race([closing, deadline.promise])) === 'late') await worker.close(true)
  clearTimeout(timer)
}
