import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import { changeStates, lockContainers, lockNames, type StateChange, unknownContainer } from './container-store.ts'
import { endContainments, endContentsOf } from './containment-store.ts'
import { type ContainerState, containerLifeCycle } from './lifecycle.ts'

/** What people report of a container, and the state that it leads to. */
export const reports = { emptied: 'empty', lost: 'lost', found: 'packed', retired: 'retired' } as const satisfies Record<
  string,
  ContainerState
>
export type Report = keyof typeof reports

export interface ReportContainer {
  readonly code: string
  readonly report: Report
  readonly actor: string
  readonly commandId: string
}

export interface ReportedContainer {
  readonly containerId: number
  readonly state: ContainerState
  readonly changed: boolean
}

/**
 * Emptied: all that is directly inside comes out; boxes that were in it stay packed. Lost: it is no longer where its parent is, and
 * what is in it is lost with it. Found: somebody has to look in, so it counts as packed. Retired: it comes out, and all in it.
 */
export async function reportContainers(context: WriteContext, commands: readonly ReportContainer[]): Promise<Outcome<ReportedContainer>[]> {
  await lockNames(context, ['nesting'])
  const scanned = await lockContainers(
    context,
    commands.map(({ code }) => code),
  )
  const states = new Map<number, ContainerState>()
  const takenOut = new Set<number>()
  const emptied = new Set<number>()
  const changes: StateChange[] = []
  const outcomes = commands.map(({ code, report, actor, commandId }): Outcome<ReportedContainer> => {
    const container = scanned.get(code)
    if (container === undefined) return unknownContainer(code)
    const { containerId } = container
    const from = states.get(containerId) ?? container.state
    const to = reports[report]
    if (from === to) return accepted({ containerId, state: from, changed: false })
    const way = containerLifeCycle.canMove(from, to)
    // `pack` leads from empty to packed as well, but nobody finds what was not lost.
    if (!way || (report === 'found' && from !== 'lost'))
      return refused('containers.not_reportable', `container ${container.code} is ${from} and cannot be reported ${report}`, '/report', {
        state: from,
      })
    states.set(containerId, to)
    if (to === 'lost' || to === 'retired') takenOut.add(containerId)
    if (to === 'empty' || to === 'retired') emptied.add(containerId)
    changes.push({ containerId, from, to, cause: `containers.report: ${report}`, commandId, actor })
    return accepted({ containerId, state: to, changed: true })
  })
  await changeStates(context, changes)
  await endContainments(context, { childIds: [...takenOut], insideOf: [...emptied] })
  await endContentsOf(context, [...emptied])
  return outcomes
}
