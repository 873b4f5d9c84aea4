import { Worker } from 'node:worker_threads'
import type { SlotPlan, ZonePicture } from './plan-zone.ts'

export interface PlanWorkers {
  /** Most zones that are planned at once. */
  readonly count: number
  plan(picture: ZonePicture): Promise<SlotPlan[]>
  close(): Promise<void>
}

interface Task {
  readonly picture: ZonePicture
  readonly resolve: (plans: SlotPlan[]) => void
  readonly reject: (error: Error) => void
}

/** Threads that plan; started when first needed, and a new one where one died. Who calls more than `count` at once waits in line. */
export function openPlanWorkers(count: number): PlanWorkers {
  const idle: Worker[] = []
  const all = new Set<Worker>()
  const waiting: Task[] = []
  let closed = false

  const next = (): void => {
    const task = waiting[0]
    if (task === undefined) return
    const worker = idle.pop() ?? (all.size < count ? start() : undefined)
    if (worker === undefined) return
    waiting.shift()
    const done = (then: () => void): void => {
      worker.unref()
      worker.removeAllListeners('message')
      worker.removeAllListeners('error')
      then()
    }
    worker.once('message', (answer: { plans: SlotPlan[] } | { problem: string }) =>
      done(() => {
        idle.push(worker)
        if ('plans' in answer) task.resolve(answer.plans)
        else task.reject(new Error(answer.problem))
        next()
      }),
    )
    worker.once('error', (error) =>
      done(() => {
        all.delete(worker)
        task.reject(error instanceof Error ? error : new Error(String(error)))
        next()
      }),
    )
    worker.ref()
    worker.postMessage(task.picture)
  }

  const start = (): Worker => {
    const worker = new Worker(new URL('./plan-worker.ts', import.meta.url))
    // It alone does not keep the process alive.
    worker.unref()
    all.add(worker)
    return worker
  }

  return {
    count,
    plan: (picture) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new Error('the planner is closed'))
        waiting.push({ picture, resolve, reject })
        next()
      }),
    async close() {
      closed = true
      for (const { reject } of waiting.splice(0)) reject(new Error('the planner is closed'))
      await Promise.all([...all].map((worker) => worker.terminate()))
    },
  }
}
