import { parentPort } from 'node:worker_threads'
import type { Problem } from './problem.ts'
import type { RouteStops } from './plan.ts'
import { solve } from './solve.ts'

/** What a thread is asked. Budgets count from when it begins with it, by its own clock. */
export interface ThreadTask {
  readonly number: number
  readonly problem: Problem
  readonly seed: number
  readonly millis: number | undefined
  readonly iterations: number | undefined
  readonly start: readonly RouteStops[] | undefined
  /** One number, not 0 when all tasks are to end. */
  readonly stop: Int32Array
}

const now = () => performance.now()

// Threads are no windows: their messages have no origin.
/* oxlint-disable unicorn/require-post-message-target-origin */
parentPort?.on('message', ({ number, problem, stop, ...options }: ThreadTask) => {
  try {
    const plan = solve(problem, { ...options, now, stopped: () => Atomics.load(stop, 0) !== 0 })
    parentPort?.postMessage({ number, plan })
  } catch (error) {
    parentPort?.postMessage({ number, failure: error instanceof Error ? error.message : String(error) })
  }
})
