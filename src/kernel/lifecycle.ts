import { InvariantBroken } from '#kernel/outcome.ts'

/**
 * A life cycle is data: states and transitions in one table. Code, SQL (by `sourcesOf`), the checks at start and the
 * diagrams in docs/reference all read this table, so that they cannot disagree.
 */
export interface StateRow {
  /** What the state means, for the generated reference. */
  readonly about: string
  /** Position in a cascade; only life cycles that are folded have ranks. */
  readonly rank?: number
  /** True where nothing may follow. */
  readonly end?: true
}

export interface TransitionRow<S extends string> {
  readonly from: readonly S[]
  readonly to: S
  /** The business word for the move, shown on diagrams and buttons. */
  readonly by: string
}

export interface LifeCycleTable<S extends string> {
  readonly name: string
  readonly initial: S
  readonly states: Readonly<Record<S, StateRow>>
  readonly transitions: readonly TransitionRow<S>[]
}

export interface LifeCycle<S extends string> extends LifeCycleTable<S> {
  readonly stateNames: readonly S[]
  canMove(from: S, to: S): boolean
  /** States from which `to` may be entered; goes into SQL as `state = any(...)` for compare-and-set. */
  sourcesOf(to: S): readonly S[]
  isState(value: string): value is S
}

/** Checks the table (unknown names, unreachable states, dead ends) and makes it usable. Throws at start, not at use. */
export function defineLifeCycle<S extends string>(table: LifeCycleTable<S>): LifeCycle<S> {
  const stateNames = Object.keys(table.states) as S[]
  const sources = new Map<S, Set<S>>(stateNames.map((state) => [state, new Set<S>()]))
  const fail = (problem: string): never => {
    throw new InvariantBroken(`life cycle ${table.name}: ${problem}`)
  }
  if (!(table.initial in table.states)) fail(`initial state ${table.initial} is not a state`)
  for (const { from, to } of table.transitions) {
    const into = sources.get(to) ?? fail(`transition to unknown state ${to}`)
    for (const state of from) {
      const row = table.states[state] ?? fail(`transition from unknown state ${state}`)
      if (row.end) fail(`${state} is an end, yet it moves to ${to}`)
      if (state === to) fail(`${state} moves to itself; a repeated transition needs no row`)
      into.add(state)
    }
  }
  const reached = new Set<S>([table.initial])
  for (let grew = true; grew; ) {
    grew = false
    for (const [to, from] of sources) {
      if (!reached.has(to) && [...from].some((state) => reached.has(state))) {
        reached.add(to)
        grew = true
      }
    }
  }
  for (const state of stateNames) {
    if (!reached.has(state)) fail(`${state} can never be reached from ${table.initial}`)
    const leaves = table.transitions.some((row) => row.from.includes(state))
    if (!leaves && !table.states[state].end) fail(`${state} is a dead end but is not marked as an end`)
  }
  const sourceLists = new Map([...sources].map(([to, from]) => [to, [...from]]))
  return {
    ...table,
    stateNames,
    canMove: (from, to) => sources.get(to)?.has(from) ?? false,
    sourcesOf: (to) => sourceLists.get(to) ?? [],
    isState: (value): value is S => value in table.states,
  }
}

/** Mermaid state diagram of a life cycle, for docs/reference. */
export function diagramOf<S extends string>(cycle: LifeCycle<S>): string {
  const lines = ['stateDiagram-v2', `  [*] --> ${cycle.initial}`]
  for (const { from, to, by } of cycle.transitions) for (const state of from) lines.push(`  ${state} --> ${to}: ${by}`)
  for (const state of cycle.stateNames) if (cycle.states[state].end) lines.push(`  ${state} --> [*]`)
  return lines.join('\n')
}
