import type { Outcome } from '#kernel/outcome.ts'
import { type DeskCall, isPassing, type KnownOrder, type OlistDesk, valueOf } from './desk.ts'
import type { Met } from './judge.ts'
import type { OrderPlan, StepKind } from './order-plan.ts'

/** One order while it is played. */
export interface Run {
  readonly plan: OrderPlan
  /** As it stood before this run, when an earlier one had placed it. */
  readonly known: KnownOrder | null
  orderId: number
  /** Steps that are done. */
  done: number
  waybillIds: readonly number[]
  /** When the waybills were made, then when they were last reported: what is reported next must not lie before it. */
  knownFrom: Date | null
  readonly met: Met[]
  /** Its vouchers have their money. */
  funded: boolean
  /** Its money is asked for, and its customer has still to pay it in. */
  paying: boolean
  /** Rounds of payment that failed before. */
  failedRounds: number
  /** Nothing more can be done for it. */
  over: boolean
}

export const runOf = (plan: OrderPlan, known: KnownOrder | null): Run => ({
  plan,
  known,
  orderId: known?.orderId ?? 0,
  done: 0,
  waybillIds: [],
  knownFrom: null,
  met: [],
  funded: false,
  paying: false,
  failedRounds: 0,
  over: false,
})

export function finish(run: Run): void {
  run.done += 1
}

export function giveUp(run: Run, met: Met): void {
  run.met.push(met)
  run.over = true
}

export const trouble = (run: Run, what: string, outcome: Outcome<unknown>): void => {
  if (!outcome.ok && !isPassing(outcome))
    giveUp(run, { kind: 'trouble', detail: `${what} was refused: ${outcome.error.code}: ${outcome.error.detail}` })
}

/** Whether an earlier run has brought all its money, which may have gone back since. */
export const paidBefore = (run: Run): boolean =>
  run.known !== null && ['captured', 'partially_refunded', 'refunded'].includes(run.known.moneyState)

export const hasStep = (run: Run, kind: StepKind): boolean => run.plan.steps.some((step) => step.kind === kind)

export interface Question<Answer> {
  readonly operation: string
  readonly inputOf: (run: Run) => object
  readonly read: (value: unknown) => Answer
}

/** The same question about each; those that could not be answered just now are left out and will be asked again. */
export async function answers<Answer>(
  desk: OlistDesk,
  { operation, inputOf, read }: Question<Answer>,
  runs: readonly Run[],
): Promise<{ run: Run; answer: Answer }[]> {
  const outcomes = await ask(desk, operation, runs, (run) => ({ input: inputOf(run) }))
  return outcomes.flatMap(({ run, outcome }) => (isPassing(outcome) ? [] : [{ run, answer: read(valueOf(outcome, operation)) }]))
}

/** One call for each; each with its outcome. */
export async function ask<Subject>(
  desk: OlistDesk,
  operation: string,
  subjects: readonly Subject[],
  callOf: (subject: Subject) => DeskCall,
): Promise<{ run: Subject; outcome: Outcome<unknown> }[]> {
  if (subjects.length === 0) return []
  const outcomes = await desk.call(operation, subjects.map(callOf))
  return subjects.flatMap((run, index) => {
    const outcome = outcomes[index]
    return outcome === undefined ? [] : [{ run, outcome }]
  })
}
