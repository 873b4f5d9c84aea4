import { Worker } from 'node:worker_threads'
import type { Plan, RouteStops } from './plan.ts'
import type { Problem } from './problem.ts'
import type { ThreadTask } from './solver-thread.ts'

export interface ClusterTask {
  readonly problem: Problem
  readonly seed: number
  readonly millis?: number | undefined
  readonly iterations?: number | undefined
  readonly start?: readonly RouteStops[] | undefined
}

interface Answer {
  readonly number: number
  readonly plan?: Plan
  readonly failure?: string
}

interface Waiting {
  readonly task: ThreadTask
  resolve(plan: Plan): void
  reject(error: Error): void
}

/**
 * Threads that solve one cluster after the other while the process stays responsive. They live until `close`, so that their code is compiled once.
 * Each holds one task at a time; the others wait in order.
 */
export class SolverThreads {
  readonly #idle: Worker[] = []
  readonly #busy = new Map<Worker, Waiting>()
  readonly #queue: Waiting[] = []
  #stop = new Int32Array(new SharedArrayBuffer(4))
  #count = 0
  #closed = false

  constructor(threads: number) {
    for (let n = 0; n < threads; n += 1) this.#open()
  }

  /** One plan for each task, in their order. The first that cannot be solved rejects. */
  solveAll(tasks: readonly ClusterTask[]): Promise<Plan[]> {
    return Promise.all(tasks.map((task) => this.solve(task)))
  }

  solve({ problem, seed, millis, iterations, start }: ClusterTask): Promise<Plan> {
    if (this.#closed) return Promise.reject(new Error('the solver’s threads are closed'))
    this.#count += 1
    const task: ThreadTask = { number: this.#count, problem, seed, millis, iterations, start, stop: this.#stop }
    return new Promise((resolve, reject) => {
      this.#queue.push({ task, resolve, reject })
      this.#next()
    })
  }

  /** Ends what is being solved and what waits, each with the best plan it has by then; what comes later is not touched. */
  stopAll(): void {
    Atomics.store(this.#stop, 0, 1)
    this.#stop = new Int32Array(new SharedArrayBuffer(4))
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const waiting of this.#queue.splice(0)) waiting.reject(new Error('the solver’s threads are closed'))
    await Promise.all([...this.#idle, ...this.#busy.keys()].map((worker) => worker.terminate()))
  }

  #open(): void {
    const worker = new Worker(new URL('./solver-thread.ts', import.meta.url))
    worker.on('message', ({ plan, failure }: Answer) => {
      const waiting = this.#busy.get(worker)
      this.#busy.delete(worker)
      this.#idle.push(worker)
      if (plan !== undefined) waiting?.resolve(plan)
      else waiting?.reject(new Error(failure))
      this.#next()
    })
    // A thread that died (out of memory) fails its own task and is replaced; the others go on.
    const gone = (reason: string) => {
      const waiting = this.#busy.get(worker)
      this.#busy.delete(worker)
      waiting?.reject(new Error(reason))
      const at = this.#idle.indexOf(worker)
      if (at !== -1) this.#idle.splice(at, 1)
    }
    worker.on('error', (error) => gone(error.message))
    worker.on('exit', () => {
      gone('the solver’s thread ended')
      if (this.#closed) return
      this.#open()
      this.#next()
    })
    worker.unref()
    this.#idle.push(worker)
  }

  #next(): void {
    while (this.#idle.length > 0 && this.#queue.length > 0) {
      const worker = this.#idle.pop()
      const waiting = this.#queue.shift()
      if (worker === undefined || waiting === undefined) return
      this.#busy.set(worker, waiting)
      worker.ref()
      worker.once('message', () => worker.unref())
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage(waiting.task)
    }
  }
}
