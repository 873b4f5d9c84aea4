const turnMs = 5

/** Runs steps to their end in turns of a few milliseconds, and lets whatever else waits in this thread go on in between; for work that takes long and is nobody's alone. */
export async function inTurns<Result>(steps: Generator<undefined, Result, undefined>): Promise<Result> {
  for (let until = performance.now() + turnMs; ; ) {
    const { done, value } = steps.next()
    if (done === true) return value
    if (performance.now() < until) continue
    await new Promise((resolve) => setImmediate(resolve))
    until = performance.now() + turnMs
  }
}
