import { containerLifeCycle } from '#containers'
import { returnLifeCycle, waybillLifeCycle } from '#fulfilment'
import { diagramOf, type LifeCycle } from '#kernel/lifecycle.ts'
import { claimLifeCycle, itemLifeCycle } from '#orders'
import { attemptCycle, bindingCycle, legCycle, followUpCycle, requestCycle } from '#payments'
import { assignmentLifeCycle, routeLifeCycle } from '#routing'
import { salesOrderLifeCycle } from '#warehousing'
import { code, type SourceFile, tableOf } from './sources.ts'

interface Shown {
  readonly context: string
  readonly page: string
}

export function lifeCyclesPage(sources: readonly SourceFile[]): string {
  const shown = [
    show('orders', itemLifeCycle),
    show('orders', claimLifeCycle),
    show('payments', requestCycle),
    show('payments', legCycle),
    show('payments', attemptCycle),
    show('payments', followUpCycle),
    show('payments', bindingCycle),
    show('fulfilment', waybillLifeCycle),
    show('fulfilment', returnLifeCycle),
    show('routing', assignmentLifeCycle),
    show('routing', routeLifeCycle),
    show('containers', containerLifeCycle),
    show('warehousing', salesOrderLifeCycle),
  ]
  const declared = sources
    .filter(({ path }) => !path.startsWith('src/kernel/'))
    .flatMap(({ text }) => text.match(/defineLifeCycle[<(]/g) ?? [])
  if (declared.length !== shown.length) {
    throw new Error(
      `src/ declares ${declared.length} life cycles, the reference shows ${shown.length}: see scripts/reference/life-cycles.ts`,
    )
  }
  return [
    '# Life cycles',
    '',
    'The tables that code, SQL and these diagrams share. A state changes only along them, by compare-and-set; a repeated change has no effect.',
    '',
    'Three states are not in a table, for nobody sets them. The state of a **section** and of an **order** is folded from its items',
    '(`src/orders/cascade.ts`). The **money state** of an order follows what payments announce. The state of a **shipment** is folded from',
    'the set of its facts, so that it is the same in whatever order they come (`src/tracking/fold.ts`).',
    ...shown.flatMap(({ page }) => ['', page]),
    '',
  ].join('\n')
}

function show<S extends string>(context: string, cycle: LifeCycle<S>): Shown {
  const ranked = cycle.stateNames.some((state) => cycle.states[state].rank !== undefined)
  const rows = cycle.stateNames.map((state) => {
    const { about, rank, end } = cycle.states[state]
    const next = cycle.stateNames.filter((to) => cycle.canMove(state, to))
    return [code(state), about, ...(ranked ? [rank === undefined ? '' : String(rank)] : []), end ? 'the end' : next.map(code).join(', ')]
  })
  return {
    context,
    page: [
      `## ${context}: ${cycle.name}`,
      '',
      tableOf(['state', 'means', ...(ranked ? ['rank'] : []), 'may become'], rows),
      '',
      '```mermaid',
      diagramOf(cycle),
      '```',
    ].join('\n'),
  }
}
